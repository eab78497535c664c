#!/bin/bash
# Builds Flux's kustomize-controller into .tools/flux, and a program around Argo CD's engine into
# .tools/argocd, and copies their CRDs next to them. Does nothing if their modules have not changed.
set -euo pipefail
cd "$(dirname "$0")/../.."

tools=$PWD/.tools
source testbed/scripts/stamp.sh
if is_current "$tools/gitops-stamp" \
    testbed/{flux,argocd}/go.{mod,sum} testbed/argocd/main.go testbed/scripts/gitops.sh; then
    exit 0
fi
# Only the CRDs of these controllers are used. They are not in go.mod, because there they would
# raise the versions of other modules.
crd_modules=(
    "github.com/fluxcd/source-controller@v1.9.4 h1:psO6g4NTAMl3GD9gL8TMF3shM939XhTjFvlQXCK3pZ4="
    "github.com/fluxcd/helm-controller@v1.6.0 h1:jlS5X11SG26gspubB5aLrdVSCm0q0tA4ULsY+vwSkL0="
)
export CGO_ENABLED=0 GOTOOLCHAIN=local
field() { # field NAME, from JSON with one field per line
    sed -n "s/.*\"$1\": \"\\(.*\\)\".*/\\1/p"
}
folder_of() { # folder_of MODULE REQUIREMENT
    go list -C "testbed/$1" -m -f '{{.Dir}}' "$2"
}

echo "gitops: building Flux's kustomize-controller and Argo CD's engine;" \
    "the first build may take 5 minutes"
mkdir -p "$tools/flux" "$tools/argocd"
testbed/scripts/progress.sh flux \
    go build -C testbed/flux -v -trimpath -o "$tools/flux/" -ldflags "-s -w" \
    github.com/fluxcd/kustomize-controller
testbed/scripts/progress.sh argocd \
    go build -C testbed/argocd -v -trimpath -o "$tools/argocd/argocd" -ldflags "-s -w" .

# The module cache is read-only; the copies must not be.
copy() {
    install --mode 644 "$@"
}
for crd_module in "${crd_modules[@]}"; do
    read -r module checksum <<<"$crd_module"
    downloaded=$(go mod download -json "$module")
    if [[ $(field Sum <<<"$downloaded") != "$checksum" ]]; then
        echo "gitops: the checksum of $module is not $checksum" >&2
        exit 1
    fi
    copy "$(field Dir <<<"$downloaded")"/config/crd/bases/*.yaml "$tools/flux/"
done
copy "$(folder_of flux github.com/fluxcd/kustomize-controller)"/config/crd/bases/*.yaml \
    "$tools/flux/"
copy "$(folder_of argocd github.com/argoproj/argo-cd/v3)"/manifests/crds/application-crd.yaml \
    "$tools/argocd/"
write_stamp
