#!/bin/bash
# Builds kube-apiserver and kube-controller-manager of the oldest Kubernetes that the chart allows
# into .tools/oldest, beside links to the other programs of .tools/bin.
set -euo pipefail
cd "$(dirname "$0")/../.."

oldest=$PWD/.tools/oldest
module=testbed/oldest
source testbed/scripts/stamp.sh
if is_current .tools/oldest-stamp $module/go.{mod,sum} testbed/scripts/oldest.sh; then
    exit 0
fi
version=$(grep --only-matching 'k8s[.]io/kubernetes v[0-9.]*' $module/go.mod | cut -d" " -f2)
# As in tools.sh: without these, the version of the programs is v0.0.0.
ldflags="-s -w -X k8s.io/component-base/version.gitVersion=$version"
ldflags+=" -X k8s.io/component-base/version.gitMajor=1"
ldflags+=" -X k8s.io/component-base/version.gitMinor=$(cut -d. -f2 <<<"$version")"

echo "oldest: building Kubernetes $version; the first build may take 10 minutes"
rm -rf "$oldest"
mkdir -p "$oldest"
CGO_ENABLED=0 GOTOOLCHAIN=local testbed/scripts/progress.sh oldest \
    go build -C $module -v -trimpath -ldflags "$ldflags" -o "$oldest/" \
    k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kube-controller-manager
for program in .tools/bin/*; do
    if [[ ! -e $oldest/${program##*/} ]]; then
        ln --symbolic "../../$program" "$oldest/"
    fi
done
write_stamp
