#!/bin/bash
# Prints how many rows, cases, sequences and resets the tests have run.
set -euo pipefail
cd "$(dirname "$0")/../.."

constant() { # constant NAME FILE
    sed -n "s/^const $1: [a-z0-9]* = \\([0-9_]*\\);/\\1/p" "$2" | tr -d _
}
rows=$(cat src/controllers/*/plan/tests.rs src/controllers/*/plan/tests/*.rs | grep -cE '^ *\("')
# One more property, the random walk of a reset, is not written with for_all.
properties=$(($(grep -c '    for_all(' src/controllers/key_pair/plan/tests/properties.rs) + 1))
cases=$(constant CASES src/controllers/key_pair/plan/tests/properties.rs)
cases=$((${PROPTEST_CASES:-0} > cases ? ${PROPTEST_CASES:-0} : cases))
echo "counts: $rows rows of the plans, $properties properties of $cases cases," \
    "${SEQUENCES:-$(constant SEQUENCES tests/control_plane/transitions.rs)} sequences of edits," \
    "${RESETS:-$(constant RESETS tests/control_plane/disturbed.rs)} disturbed resets"
