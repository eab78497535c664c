#!/bin/bash
# Runs the operator's image as a pod of the restricted Pod Security level would, for tests, which
# take this for the binary.
# Usage: run-image.sh ARGUMENT...
# IMAGE names it, CONTAINER is the name to give, SERVICE_ACCOUNT the folder with token, ca.crt and
# namespace. The variables of AWS and Kubernetes are handed on, the network is the host's. An orphan
# is killed after ten minutes.
set -euo pipefail

variables=()
for name in $(compgen -e); do
    [[ $name == AWS_* || $name == KUBERNETES_* ]] && variables+=("--env=$name")
done
# The first three options are what works without systemd and with either version of cgroups.
# Podman's own limits may be above what this process may set.
exec podman --runtime runc --cgroup-manager cgroupfs --events-backend file \
    run --rm --name "$CONTAINER" --timeout 600 \
    --read-only --cap-drop all --security-opt no-new-privileges \
    --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --network host \
    --volume "$SERVICE_ACCOUNT:/var/run/secrets/kubernetes.io/serviceaccount:ro" "${variables[@]}" \
    "$IMAGE" "$@"
