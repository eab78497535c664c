#!/bin/bash
# Builds the programs of the control plane into .tools/bin, from the module that pins them.
# Nothing is done when they are there and the module has not changed. Go's own cache makes a second build a matter of seconds.
set -euo pipefail
cd "$(dirname "$0")/../.."

bin=$PWD/.tools/bin
stamp=$PWD/.tools/stamp
module=testbed/tools
packages=(
    k8s.io/kubernetes/cmd/kube-apiserver
    k8s.io/kubernetes/cmd/kube-controller-manager
    k8s.io/kubernetes/cmd/kubectl
    go.etcd.io/etcd/server/v3
)
wanted=$(cat $module/go.mod $module/go.sum testbed/scripts/tools.sh | sha256sum)
if [[ -e $stamp && $(<"$stamp") == "$wanted" ]]; then
    exit 0
fi

# Without these the programs call themselves v0.0.0, and clients that compare versions refuse them.
version=$(awk '$1 == "require" && $2 == "k8s.io/kubernetes" { print $3 }' $module/go.mod)
minor=$(cut -d. -f2 <<<"$version")
ldflags="-s -w -X k8s.io/component-base/version.gitVersion=$version"
ldflags+=" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$minor"
ldflags+=" -X k8s.io/client-go/pkg/version.gitVersion=$version"

echo "tools: building Kubernetes $version and etcd; the first time this may take 10 minutes"
mkdir -p "$bin"
CGO_ENABLED=0 GOTOOLCHAIN=local testbed/scripts/progress.sh tools \
    go build -C $module -v -trimpath -o "$bin/" -ldflags "$ldflags" "${packages[@]}"
# Go names a program after the last part of its path.
mv "$bin/server" "$bin/etcd"
CGO_ENABLED=0 GOTOOLCHAIN=local testbed/scripts/progress.sh "helm 4" \
    go build -C $module -v -trimpath -ldflags "$ldflags" -o "$bin/helm" helm.sh/helm/v4/cmd/helm
echo "$wanted" >"$stamp"
