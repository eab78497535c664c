#!/bin/bash
# Builds the operator's release binary, or that of another package. The bytes do not depend on where
# the checkout, Cargo's home and the target directory are.
# Usage: release.sh TARGET_DIRECTORY [PACKAGE]; the binary is TARGET_DIRECTORY/release/PACKAGE.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=$(realpath --canonicalize-missing "$1")
package=${2:-lightsail-operator}
registry=$(realpath --canonicalize-missing "${CARGO_HOME:-$HOME/.cargo}")/registry/src
# Panics and the C part of aws-lc name their source files. The folder below registry/src has the
# name of the registry or of a mirror, so its name is mapped too.
cargo fetch --locked --quiet
rust=() c=()
map() { # map DIRECTORY NAME
    rust+=("--remap-path-prefix=$1=$2")
    c+=("-ffile-prefix-map=$1=$2")
}
map "$PWD" .
map "$target" target
for folder in "$registry"/*/; do
    map "${folder%/}" registry
done

export CARGO_ENCODED_RUSTFLAGS CFLAGS=${c[*]}
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo "${rust[*]}")
testbed/scripts/progress.sh release \
    cargo build --locked --release --package "$package" --bin "$package" \
    --target-dir "$target"

binary=$target/release/$package
if grep --text --quiet --fixed-strings \
    --regexp="$PWD/" --regexp="$target/" --regexp="$registry/" "$binary"; then
    echo "release: the binary contains a path of this machine" >&2
    exit 1
fi
size=$(stat --format=%s "$binary")
# Only the operator is for production.
if [[ $package == lightsail-operator ]] && ((size > 15000000)); then
    echo "release: the binary has $size bytes; the limit is 15 MB" >&2
    exit 1
fi
echo "release: $size bytes"
