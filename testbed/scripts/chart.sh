#!/bin/bash
# Writes the files that are generated from the chart: its README.md, and deploy/base, which is the
# chart rendered with its default values.
# Usage: chart.sh [FOLDER]; a test passes a folder of its own, to compare.
set -euo pipefail
cd "$(dirname "$0")/../.."

to=${1:-.}
chart=charts/lightsail-operator
tools=${TESTBED_TOOLS:-.tools/bin}
mkdir -p "$to/deploy/base" "$to/$chart"
{
    echo '# Written by `make chart` from charts/lightsail-operator with its default values.' \
        'Do not edit.'
    # The CRDs come from crds/. Labels and comments that only Helm uses are left out.
    "$tools/helm" template lightsail-operator $chart --namespace lightsail-operator \
        --set crds.enabled=false |
        sed -e '/^ *helm\.sh\/chart: /d' -e '/^ *app\.kubernetes\.io\/managed-by: Helm$/d' \
            -e '/^# Source: /d' |
        cat --squeeze-blank
} >"$to/deploy/base/operator.yaml"
"$tools/helm-docs" --log-level warning --sort-values-order file \
    --chart-search-root $chart --dry-run >"$to/$chart/README.md"
