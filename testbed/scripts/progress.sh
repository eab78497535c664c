#!/bin/bash
# Runs a command that takes minutes without its output: a line when it starts to be long, and then
# one about every 30 seconds. If it fails, the end of its output is shown.
# Usage: progress.sh NAME COMMAND [ARGUMENT...]
set -euo pipefail

name=$1
shift
log=$(mktemp)
"$@" >"$log" 2>&1 </dev/null &
command=$!
# Whatever ends this ends the command too.
trap 'kill $command 2>/dev/null || true; rm -f "$log"' EXIT

told=$SECONDS
while kill -0 $command 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - told >= 30)); then
        told=$SECONDS
        echo "$name: $SECONDS s, $(wc -l <"$log") steps so far;" \
            "now: $(tail -n 1 "$log" | cut -c 1-80)"
    fi
done
if ! wait $command; then
    echo "$name failed:" >&2
    grep -Ev '^go: downloading|^ *Compiling ' "$log" | tail -n 60 >&2
    exit 1
fi
if ((SECONDS >= 5)); then
    echo "$name: done in $SECONDS s"
fi
