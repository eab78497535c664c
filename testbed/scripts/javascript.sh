#!/bin/bash
# Installs the AWS SDK for JavaScript into testbed/javascript/node_modules, as package-lock.json
# pins it. Does nothing if the lock file has not changed.
set -euo pipefail
cd "$(dirname "$0")/../javascript"

source ../scripts/stamp.sh
if is_current node_modules/stamp package.json package-lock.json; then
    exit 0
fi
# The Node.js of many distributions is too old for the SDK.
major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p')
if ((${major:-0} < 20)) || ! command -v npm >/dev/null; then
    echo "javascript: Node.js 20 or later, with npm, is missing;" \
        "README.md lists the requirements" >&2
    exit 1
fi
echo "javascript: installing the AWS SDK into testbed/javascript/node_modules"
npm ci --silent --ignore-scripts --no-audit --no-fund
write_stamp
