#!/bin/sh
# Holds the contract against the rules of redocly and spectral; a warning is an error. They only speak when something is wrong.
set -eu
cd "$(dirname "$0")"
contract=../../shared/api/openapi.json
quietly() { said=$("$@" 2>&1) || { echo "$said"; exit 1; }; }
REDOCLY_TELEMETRY=off quietly node_modules/.bin/redocly lint --config redocly.yaml "$contract"
quietly node_modules/.bin/spectral lint --ruleset spectral.yaml --fail-severity hint "$contract"
