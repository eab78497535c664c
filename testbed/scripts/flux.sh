#!/bin/bash
# Builds Flux's kustomize-controller into .tools/flux, and puts the definitions of the kinds that it reads beside it.
# Nothing is done when they are there and the module has not changed.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$PWD/.tools/flux
stamp=$folder/stamp
module=testbed/flux
wanted=$(cat $module/go.mod $module/go.sum testbed/scripts/flux.sh | sha256sum)
if [[ -e $stamp && $(<"$stamp") == "$wanted" ]]; then
    exit 0
fi
# Of other controllers only definitions are used: they are no requirements of the module, because they would lift others.
definitions=(
    "github.com/fluxcd/source-controller@v1.9.4 h1:psO6g4NTAMl3GD9gL8TMF3shM939XhTjFvlQXCK3pZ4= source.toolkit.fluxcd.io_gitrepositories"
    "github.com/fluxcd/source-controller@v1.9.4 h1:psO6g4NTAMl3GD9gL8TMF3shM939XhTjFvlQXCK3pZ4= source.toolkit.fluxcd.io_ocirepositories"
    "github.com/fluxcd/helm-controller@v1.6.0 h1:jlS5X11SG26gspubB5aLrdVSCm0q0tA4ULsY+vwSkL0= helm.toolkit.fluxcd.io_helmreleases"
)

echo "flux: building the kustomize-controller; the first time this may take 3 minutes"
mkdir -p "$folder"
CGO_ENABLED=0 GOTOOLCHAIN=local testbed/scripts/progress.sh flux \
    go build -C $module -v -trimpath -o "$folder/" -ldflags "-s -w" github.com/fluxcd/kustomize-controller
field() { # field NAME, of JSON with a line for each
    sed -n "s/.*\"$1\": \"\\(.*\\)\".*/\\1/p"
}
for definition in "${definitions[@]}"; do
    read -r source sum file <<<"$definition"
    downloaded=$(GOTOOLCHAIN=local go mod download -json "$source")
    if [[ $(field Sum <<<"$downloaded") != "$sum" ]]; then
        echo "flux: $source is not what it was" >&2
        exit 1
    fi
    cp --force "$(field Dir <<<"$downloaded")/config/crd/bases/$file.yaml" "$folder/"
done
cp --force "$(go list -C $module -m -f '{{.Dir}}' github.com/fluxcd/kustomize-controller)"/config/crd/bases/*.yaml "$folder/"
# The module cache is read-only.
chmod u+w "$folder"/*.yaml
echo "$wanted" >"$stamp"
