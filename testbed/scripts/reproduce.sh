#!/bin/bash
# Builds the release binary a second time, from a copy of the sources, with another Cargo home and
# another target directory, and checks that the two binaries are the same.
# Usage: reproduce.sh BINARY
set -euo pipefail
cd "$(dirname "$0")/../.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/sources" "$copy/home"
git ls-files -z | tar --create --null --files-from=- | tar --extract --directory "$copy/sources"
ln -s "${CARGO_HOME:-$HOME/.cargo}"/* "$copy/home/"
CARGO_HOME=$copy/home "$copy/sources/testbed/scripts/release.sh" "$copy/target"
if ! cmp "$1" "$copy/target/release/lightsail-operator"; then
    echo "reproduce: the second build gives a different binary" >&2
    exit 1
fi
echo "reproduce: both builds give the same binary, sha256 $(sha256sum <"$1" | cut -c 1-64)"
