#!/bin/bash
# Writes what people apply without a checkout: crds.yaml, and install.yaml, which is deploy/base.
# Usage: manifests.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."

kubectl=${TESTBED_TOOLS:-.tools/bin}/kubectl
command -v "$kubectl" >/dev/null || kubectl=kubectl
mkdir -p "$1"
"$kubectl" kustomize crds >"$1/crds.yaml"
"$kubectl" kustomize deploy/base >"$1/install.yaml"
