#!/bin/bash
# Writes what the operator's binary is made from, as CycloneDX: the packages of Cargo.lock that are compiled into it for this
# machine's target, without those of tests and the testbed.
# Usage: sbom.sh FILE
set -euo pipefail
cd "$(dirname "$0")/../.."
