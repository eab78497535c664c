#!/bin/bash
# Builds vale, and checks the prose of the pages and comments with it: first that each rule finds
# what it is for, then that there is nothing of the kind.
set -euo pipefail
cd "$(dirname "$0")/../.."

vale=$PWD/.tools/vale/vale
source testbed/scripts/stamp.sh
if ! is_current .tools/vale/stamp testbed/vale/go.{mod,sum}; then
    echo "prose: building vale; the first build may take 2 minutes"
    mkdir -p .tools/vale
    GOTOOLCHAIN=local testbed/scripts/progress.sh vale \
        go build -C testbed/vale -trimpath -ldflags '-s -w' -o "$vale" \
        github.com/vale-cli/vale/v3/cmd/vale
    write_stamp
fi

check() { # check PATH...
    "$vale" --config testbed/vale/vale.ini --output line "$@"
}
examples=testbed/vale/testdata/words.md
found=$({ check $examples || true; } | cut -d: -f2 | sort -u | wc -l)
if ((found != $(wc -l <$examples))); then
    echo "prose: only $found of the lines of $examples are found" >&2
    exit 1
fi
check ./*.md docs charts/lightsail-operator src tests testbed/src
