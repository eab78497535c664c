#!/bin/bash
# Installs the AWS SDK for JavaScript into testbed/javascript/node_modules, as package-lock.json pins it.
# Nothing is done when it is there and the lock file has not changed.
set -euo pipefail
cd "$(dirname "$0")/../javascript"

stamp=node_modules/stamp
wanted=$(cat package.json package-lock.json | sha256sum)
if [[ -e $stamp && $(<$stamp) == "$wanted" ]]; then
    exit 0
fi
echo "javascript: installing the AWS SDK into testbed/javascript/node_modules"
npm ci --silent --ignore-scripts --no-audit --no-fund
echo "$wanted" >$stamp
