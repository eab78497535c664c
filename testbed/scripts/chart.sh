#!/bin/bash
# Writes what follows from the chart: its README.md, and deploy/base, which is its rendering with
# the defaults.
# Usage: chart.sh [FOLDER], where a test has it write to a folder of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."

to=${1:-.}
chart=charts/lightsail-operator
tools=${TESTBED_TOOLS:-.tools/bin}
mkdir -p "$to/deploy/base" "$to/$chart"
{
    echo '# Written by `make chart` from charts/lightsail-operator with its default values.' \
        'Do not edit.'
    # The definitions are those of crds/. What only Helm makes use of is left out.
    "$tools/helm" template lightsail-operator $chart --namespace lightsail-operator \
        --set crds.enabled=false |
        sed -e '/^ *helm\.sh\/chart: /d' -e '/^ *app\.kubernetes\.io\/managed-by: Helm$/d' \
            -e '/^# Source: /d' |
        cat --squeeze-blank
} >"$to/deploy/base/operator.yaml"
"$tools/helm-docs" --log-level warning --sort-values-order file \
    --chart-search-root $chart --dry-run >"$to/$chart/README.md"
