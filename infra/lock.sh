#!/bin/sh
# Renews requirements.lock: every package of requirements.txt and what they need, with hashes, for Python 3.11 to 3.13.
# Run it after each change of requirements.txt; `infra/lock.sh --upgrade` also takes the newest indirect packages.
set -eu
cd "$(dirname "$0")/.."
tool=.local/lock
[ -x "$tool/bin/uv" ] || { python3 -m venv "$tool" && "$tool/bin/pip" install --quiet uv==0.13.9; }
"$tool/bin/uv" pip compile requirements.txt --quiet --universal --python-version 3.11 --generate-hashes \
  --custom-compile-command infra/lock.sh --output-file requirements.lock "$@"
