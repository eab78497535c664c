#!/bin/bash
# Builds the programs of the control plane into .tools/bin, from the Go modules that pin them. Does
# nothing if the modules have not changed. With Go's cache, a second build takes seconds.
#
# If KUBEBUILDER_ASSETS is set, the folder of setup-envtest, then kube-apiserver, kubectl and etcd
# come from there, unless they are too old for the tests.
set -euo pipefail
cd "$(dirname "$0")/../.."

bin=$PWD/.tools/bin
module=testbed/tools
packages=(
    k8s.io/kubernetes/cmd/kube-controller-manager
    k8s.io/kubernetes/cmd/kube-scheduler
    sigs.k8s.io/kwok/cmd/kwok
    github.com/norwoodj/helm-docs/cmd/helm-docs
)
version=$(awk '$1 == "require" && $2 == "k8s.io/kubernetes" { print $3 }' $module/go.mod)
minor=$(cut -d. -f2 <<<"$version")

assets=$(readlink --canonicalize "${KUBEBUILDER_ASSETS:-}") || true
if [[ $assets == "$(readlink --canonicalize "$bin")" ]]; then
    assets=
fi
version_in() { # version_in TEXT, as in 1.37.2
    grep --only-matching --extended-regexp --max-count=1 '[0-9]+[.][0-9]+[.][0-9]+' <<<"$1" |
        head --lines=1
}
found=()
find_or_build() { # find_or_build NAME PACKAGE OLDEST VERSION_ARGUMENT...
    local name=$1 package=$2 oldest=$3 there=$assets/$1 is
    if [[ -n $assets && -x $there ]] &&
        is=$(version_in "$("$there" "${@:4}" 2>/dev/null)"); then
        if printf '%s\n' "$oldest" "$is" | sort --version-sort --check=quiet; then
            found+=("$name $is $there")
            return
        fi
        found+=("$name $is")
    fi
    packages+=("$package")
}
# A controller-manager must not be newer than its API server. The oldest etcd is that of kubeadm,
# MinExternalEtcdVersion.
find_or_build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver "1.$minor" --version
find_or_build kubectl k8s.io/kubernetes/cmd/kubectl "1.$minor" version --client
find_or_build etcd go.etcd.io/etcd/server/v3 3.5.24 --version

source testbed/scripts/stamp.sh
if is_current .tools/stamp \
    $module/go.{mod,sum} testbed/kube-score/go.{mod,sum} testbed/scripts/tools.sh \
    <(printf '%s\n' "${found[@]}"); then
    exit 0
fi

# Without these flags the version of the programs is v0.0.0, and clients that compare versions
# refuse to work with them.
ldflags="-s -w -X k8s.io/component-base/version.gitVersion=$version"
ldflags+=" -X k8s.io/component-base/version.gitMajor=1"
ldflags+=" -X k8s.io/component-base/version.gitMinor=$minor"
ldflags+=" -X k8s.io/client-go/pkg/version.gitVersion=$version"

echo "tools: building Kubernetes $version, etcd and Helm; the first build may take 10 minutes"
mkdir -p "$bin"
# A build would write through a link, into the folder that it leads to.
rm -f "$bin"/{kube-apiserver,kubectl,etcd}
for program in "${found[@]}"; do
    read -r name is there <<<"$program"
    if [[ -n $there ]]; then
        ln --symbolic "$there" "$bin/$name"
        echo "tools: $name $is comes from KUBEBUILDER_ASSETS"
    else
        echo "tools: $name $is in KUBEBUILDER_ASSETS is too old; the one of $module is built"
    fi
done
build() { # build NAME ARGUMENT...
    CGO_ENABLED=0 GOTOOLCHAIN=local testbed/scripts/progress.sh "$1" \
        go build -C "$module" -v -trimpath -ldflags "$ldflags" "${@:2}"
}
build tools -o "$bin/" "${packages[@]}"
# Go names a program after the last part of its path. For etcd that is `server`, and both versions
# of Helm would be `helm`.
if [[ -e $bin/server ]]; then
    mv "$bin/server" "$bin/etcd"
fi
build "helm 4" -o "$bin/helm" helm.sh/helm/v4/cmd/helm
# Helm 3 renders for this version of Kubernetes, which would be v1.20 otherwise.
for package in pkg/chartutil pkg/lint/rules; do
    ldflags+=" -X helm.sh/helm/v3/$package.k8sVersionMinor=$minor"
done
build "helm 3" -o "$bin/helm3" helm.sh/helm/v3/cmd/helm
# kube-score depends on an older Kubernetes, hence a module of its own.
module=testbed/kube-score build kube-score -o "$bin/" github.com/zegl/kube-score/cmd/kube-score
# These files, from its own module, tell kwok how a fake node behaves.
rm -rf "$bin/kwok-stages"
cp -R --no-preserve=mode "$(go list -C $module -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage" \
    "$bin/kwok-stages"
write_stamp
