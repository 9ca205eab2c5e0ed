#!/bin/sh
# Compiles infra/ and holds it against bicepconfig.json and Bicep's own format. The compiler is $BICEP, or `bicep` on PATH;
# https://github.com/Azure/bicep/releases has it. Without one this says so and passes.
set -eu
cd "$(dirname "$0")"
bicep=${BICEP:-$(command -v bicep || true)}
if [ -z "$bicep" ]; then
  echo "NOT LINTED: infra/, because there is no Bicep compiler (BICEP=PATH, or bicep on PATH)."
  exit 0
fi
export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT="${DOTNET_SYSTEM_GLOBALIZATION_INVARIANT:-1}" # else it wants the ICU libraries
failed=0
for file in $(find . -name main.bicep); do
  said=$("$bicep" lint "$file" 2>&1) || failed=1
  [ -z "$said" ] || { echo "$said"; failed=1; }
done
formatted=$(mktemp -d)
trap 'rm -rf "$formatted"' EXIT
cp -R . "$formatted"
(cd "$formatted" && "$bicep" format --pattern '**/*.bicep' >/dev/null)
diff -ru . "$formatted" || { echo "Not in Bicep's format: bicep format FILE"; failed=1; }
exit $failed
