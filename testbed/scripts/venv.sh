#!/bin/bash
# Makes a virtual environment from pinned requirements. Does nothing if they have not changed.
# Usage: venv.sh FOLDER REQUIREMENTS WHAT
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$1
requirements=$2
source testbed/scripts/stamp.sh
if is_current "$folder/stamp" "$requirements"; then
    exit 0
fi
echo "venv: installing $3 into $folder"
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
    --only-binary :all: --requirement "$requirements"
write_stamp
