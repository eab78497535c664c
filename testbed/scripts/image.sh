#!/bin/bash
# Builds an image of the operator's binary, and prints its name, with the version as the tag.
# Usage: image.sh BINARY NAME [FOLDER]
# FOLDER has the Containerfile and the Cargo.toml of the binary's crate. By default it is this one;
# with `testbed` and the testbed's binary, the image is that of the simulator.
# IMAGE_TOOL is docker, podman or buildah. By default, it is the first of them that works.
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022
binary=$1 name=$2 folder=${3:-.}

tool=${IMAGE_TOOL:-}
for candidate in docker podman buildah; do
    # Docker may be installed without a running daemon.
    if [[ -z $tool ]] && $candidate info >/dev/null 2>&1; then
        tool=$candidate
    fi
done
if [[ -z $tool ]]; then
    echo "image: docker, podman or buildah is needed, and none of them works" >&2
    exit 1
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# The mode becomes that of the image's root directory: with mktemp's, no other user could enter it.
chmod 755 "$root"

install -m 755 "$binary" "$root/${binary##*/}"

# The loader, and the libraries that the binary needs, where the loader looks for them. Scanners
# read from var/lib/dpkg/status.d which Debian packages these are. Their licenses are included.
unset LD_LIBRARY_PATH
if ldd "$binary" | grep 'not found' >&2; then
    exit 1
fi
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
    install -D -m 755 "$library" "$root$library"
    # A package may list the file with or without /usr in front.
    package=$(dpkg-query --search "*$library" | sed 's/: .*//;q')
    mkdir -p "$root/var/lib/dpkg/status.d"
    dpkg-query --status "$package" >"$root/var/lib/dpkg/status.d/${package%:*}"
    install -D -m 644 "/usr/share/doc/${package%:*}/copyright" \
        "$root/usr/share/doc/${package%:*}/copyright"
done
mkdir -p "$root/etc"
cp --dereference /etc/os-release "$root/etc/os-release"

# Mozilla's root certificates, as pinned in testbed/python/requirements.txt. Other certificates that
# this machine trusts must not get into an image.
install -D -m 644 "$(.venv/bin/python -m certifi)" "$root/etc/ssl/certs/ca-certificates.crt"

echo 'nonroot:x:65532:65532:nonroot:/nonexistent:/sbin/nologin' >"$root/etc/passwd"
echo 'nonroot:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

# Every time in the image is that of the commit, so that the same binary gives the same image.
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
find "$root" -exec touch --no-dereference --date "@$epoch" {} +
if [[ $tool == docker ]]; then
    export SOURCE_DATE_EPOCH=$epoch
    build=(docker build)
else
    build=("$tool" build --timestamp "$epoch")
fi

# Only `repository` in Cargo.toml says where this project is.
{ read -r version; read -r license; read -r source; read -r description; } < <(
    python3 - "$folder" <<'PYTHON'
import sys, tomllib
def read(path):
    with open(path, "rb") as file:
        return tomllib.load(file)
shared = read("Cargo.toml")["workspace"]["package"]
print(shared["version"], shared["license"], shared["repository"], sep="\n")
print(read(f"{sys.argv[1]}/Cargo.toml")["package"]["description"].strip())
PYTHON
)
title=lightsail-operator
[[ $folder != testbed ]] || title=lightsail-simulator
labels=(
    "title=$title"
    "description=$description"
    "version=$version"
    "revision=$(git rev-parse HEAD)"
    "created=$(date --utc --date "@$epoch" +%Y-%m-%dT%H:%M:%SZ)"
    "source=$source"
    "licenses=$license"
)
"${build[@]}" --quiet --file "$folder/Containerfile" --tag "$name:$version" \
    "${labels[@]/#/--label=org.opencontainers.image.}" "$root" >/dev/null
echo "$name:$version"
