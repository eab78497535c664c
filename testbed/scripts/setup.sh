#!/bin/bash
# Installs what is missing of the Debian packages that are needed beside Rust, Go, Python and make.
set -euo pipefail

missing=()
need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null || missing+=("$2")
}
need setpriv util-linux
need cc gcc
# What tests compare with.
need ssh-keygen openssh-client
need openssl openssl
[[ -x /usr/sbin/sshd ]] || missing+=(openssh-server)
# Checks the alerts.
need promtool prometheus
# Sets an operator's clock.
need faketime faketime
# Makes the image, and runs it for the tests.
need podman podman
need runc runc
# For podman where root does not run it.
need newuidmap uidmap
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
for program in cargo go python3; do
    if ! command -v $program >/dev/null; then
        echo "setup: $program is missing; README.md says how to get it" >&2
        exit 1
    fi
done
if ((${#missing[@]} == 0)); then
    echo "setup: everything is there"
    exit 0
fi

echo "setup: installing ${missing[*]}"
root=()
if ((EUID != 0)); then
    root=(sudo)
fi
"${root[@]}" apt-get update --quiet --quiet
# sshd is for tests that start one of their own, and of Prometheus only promtool is used: no package
# must start a service here.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee $policy >/dev/null
    "${root[@]}" chmod +x $policy
    trap '"${root[@]}" rm -f $policy' EXIT
fi
DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install --yes --quiet --quiet \
    --no-install-recommends "${missing[@]}" >/dev/null
# Nor is Prometheus to be started at the next boot.
if [[ " ${missing[*]} " == *" prometheus "* ]]; then
    # Where services are started otherwise, there is nothing to disable.
    "${root[@]}" update-rc.d prometheus disable 2>/dev/null || true
fi
