#!/bin/bash
# Checks that a release of this version can be made: versions agree, the changelog has it, the
# workflow makes the binaries that pages speak of, and no placeholder is left in any file.
# Usage: check-release.sh VERSION
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$1 wrong=0
complain() {
    echo "release: $*" >&2
    wrong=1
}
has() { # has FILE LINE
    grep --quiet --line-regexp --regexp="$2" "$1" || complain "$1 has no line $2"
}
pattern=${version//./[.]}
has Cargo.toml "version = \"$pattern\""
has charts/lightsail-operator/Chart.yaml "version: \"\\?$pattern\"\\?"
has charts/lightsail-operator/Chart.yaml "appVersion: \"\\?$pattern\"\\?"
has CHANGELOG.md "## $pattern\\( .*\\)\\?"
# What users copy: `?ref=v0.1.0`, and images with their tag.
stale=$(git grep --line-number --extended-regexp \
    "[?]ref=v[0-9]|/lightsail-(operator|simulator):[0-9]|/blob/v[0-9]" -- ':!CHANGELOG.md' |
    grep --invert-match --extended-regexp "(v|:)$pattern([^0-9A-Za-z.-]|$)") || true
if [[ -n $stale ]]; then
    complain "another version stands in"$'\n'"$stale"
fi
# The ranges of versions from which Flux and Argo CD install the newest chart.
minor=${version%%-*} minor=${minor%.*}
stale=$(git grep --line-number --extended-regexp \
    '(semver|targetRevision): "?[0-9]+[.][0-9]' -- ':!CHANGELOG.md' |
    grep --invert-match --extended-regexp ": \"?${minor//./[.]}[.][x*]\"?$") || true
if [[ -n $stale ]]; then
    complain "another range than $minor.x stands in"$'\n'"$stale"
fi
for binary in $(git grep -h --only-matching --extended-regexp \
    'lightsail-operator_linux_[a-z0-9]+' -- '*.md' | sort --unique); do
    grep --quiet --fixed-strings "{arch: ${binary##*_}," .github/workflows/release.yml ||
        complain "the workflow does not build $binary"
done
# The brackets keep this file from finding itself.
if git grep --line-number --extended-regexp '(com|io)/[O]WNER\b|\b[O]WNER/(lightsail|charts)'; then
    complain "put the owner of this repository in the place of [O]WNER"
fi
exit $wrong
