#!/bin/bash
# `make check`: format, lint, types, layers and sizes, side by side. Prints what failed, in full, and a line for each part.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=${VENV:-.venv}/bin
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

declare -A parts=(
    [format]="$bin/ruff format --check ."
    [lint]="$bin/ruff check --quiet ."
    [types]="$bin/mypy --strict --no-error-summary everynode"
    [layers]="$bin/lint-imports --no-logo --config .importlinter"
    [sizes]="$bin/python tools/check_sizes.py"
)
declare -A pids
for part in "${!parts[@]}"; do
    ${parts[$part]} >"$results/$part" 2>&1 </dev/null &
    pids[$part]=$!
done

status=0
for part in format lint types layers sizes; do
    if wait "${pids[$part]}"; then
        echo "check: $part: ok"
    else
        status=1
        sed "s/^/  /" "$results/$part"
        echo "check: $part: FAILED (${parts[$part]})"
    fi
done
exit $status
