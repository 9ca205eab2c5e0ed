#!/bin/sh
# Renews requirements.txt: every package of requirements.in and what they need, with hashes, for Python 3.11 to 3.13.
# Run it after each change of requirements.in; `infra/lock.sh --upgrade` also takes the newest indirect packages.
set -eu
cd "$(dirname "$0")/.."
tool=.local/lock
[ -x "$tool/bin/uv" ] || { python3 -m venv "$tool" && "$tool/bin/pip" install --quiet uv==0.13.9; }
"$tool/bin/uv" pip compile requirements.in --quiet --universal --python-version 3.11 --generate-hashes \
  --custom-compile-command infra/lock.sh --output-file requirements.txt "$@"
