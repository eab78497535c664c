#!/bin/bash
# Runs a command that may take minutes, and prints a line about every 30 seconds instead of its
# output. If the command fails, prints the end of its output.
# Usage: progress.sh NAME COMMAND [ARGUMENT...]
set -euo pipefail

name=$1
shift
log=$(mktemp)
"$@" >"$log" 2>&1 </dev/null &
command=$!
# The command must not outlive this script.
trap 'kill $command 2>/dev/null || true; rm -f "$log"' EXIT

told=$SECONDS
while kill -0 $command 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - told >= 30)); then
        told=$SECONDS
        echo "$name: $SECONDS s, $(wc -l <"$log") lines of output so far;" \
            "the last: $(tail -n 1 "$log" | cut -c 1-80)"
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
