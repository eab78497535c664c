#!/bin/bash
# Builds the operator of the commit that docs/benchmarks/operator.md was measured at, and prints
# where the binary is. `make bench` measures it in turn with this one.
set -euo pipefail
cd "$(dirname "$0")/../.."

page=docs/benchmarks/operator.md
commit=$(sed --quiet 's/^.*, commit \([0-9a-f]\{7,\}\)\.$/\1/p' "$page")
if ! git cat-file -e "$commit^{commit}" 2>/dev/null; then
    echo "bench: $page names the commit \"$commit\", which this clone does not have;" \
        "fetch the whole history, or use BEFORE=no" >&2
    exit 1
fi
folder=$PWD/target/committed/$commit
binary=$folder/target/release/lightsail-operator
if [[ ! -x $binary ]]; then
    rm -rf "$folder"
    mkdir --parents "$folder"
    git archive "$commit" | tar --extract --directory "$folder"
    testbed/scripts/progress.sh "build $commit" \
        cargo build --locked --release --bin lightsail-operator \
        --manifest-path "$folder/Cargo.toml" --target-dir "$folder/target" >&2
fi
echo "$binary"
