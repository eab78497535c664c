#!/bin/bash
# Installs the missing ones of the Debian packages that the project needs in addition to Rust, Go,
# Python and make.
set -euo pipefail

missing=()
need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null || missing+=("$2")
}
need setpriv util-linux
need cc gcc
# Tests compare their results with those of these programs.
need ssh-keygen openssh-client
need openssl openssl
need puttygen putty-tools
[[ -x /usr/sbin/sshd ]] || missing+=(openssh-server)
# Checks the alerts (promtool).
need promtool prometheus
# Pages use these.
need jq jq
need curl curl
# Sets the clock of an operator under test.
need faketime faketime
# Builds the image, and runs it in tests.
need podman podman
need runc runc
# Podman needs it if it does not run as root.
need newuidmap uidmap
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
for program in cargo go python3; do
    if ! command -v $program >/dev/null; then
        echo "setup: $program is missing; CONTRIBUTING.md lists the requirements" >&2
        exit 1
    fi
done
if ((${#missing[@]} == 0)); then
    echo "setup: nothing is missing"
    exit 0
fi

echo "setup: installing ${missing[*]}"
root=()
if ((EUID != 0)); then
    root=(sudo)
fi
"${root[@]}" apt-get update --quiet --quiet
# No package may start a service here: tests start an sshd of their own, and use only promtool of
# Prometheus.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee $policy >/dev/null
    "${root[@]}" chmod +x $policy
    trap '"${root[@]}" rm -f $policy' EXIT
fi
DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install --yes --quiet --quiet \
    --no-install-recommends "${missing[@]}" >/dev/null
# Prometheus must not start at the next boot either.
if [[ " ${missing[*]} " == *" prometheus "* ]]; then
    # This fails where the init system does not know the service; then nothing would start it.
    "${root[@]}" update-rc.d prometheus disable 2>/dev/null || true
fi
