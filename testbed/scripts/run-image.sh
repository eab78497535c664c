#!/bin/bash
# Runs the operator's image with the limits of the Pod Security level `restricted`. Tests start this
# script in place of the operator's binary.
# Usage: run-image.sh ARGUMENT...
# IMAGE is the image, CONTAINER the name for the container, and SERVICE_ACCOUNT the folder with
# token, ca.crt and namespace. The container gets the variables AWS_* and KUBERNETES_*, and the
# host's network. If nobody stops it, it is killed after ten minutes.
set -euo pipefail

variables=()
for name in $(compgen -e); do
    [[ $name == AWS_* || $name == KUBERNETES_* ]] && variables+=("--env=$name")
done
# The first three options work without systemd and with either version of cgroups. The limits are
# set because Podman's defaults may be higher than this process may set.
exec podman --runtime runc --cgroup-manager cgroupfs --events-backend file \
    run --rm --name "$CONTAINER" --timeout 600 \
    --read-only --cap-drop all --security-opt no-new-privileges \
    --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 --network host \
    --volume "$SERVICE_ACCOUNT:/var/run/secrets/kubernetes.io/serviceaccount:ro" "${variables[@]}" \
    "$IMAGE" "$@"
