#!/bin/bash
# Writes the lock files anew from pyproject.toml: names, versions and hashes, and nothing about where they come from.
#
#   requirements.lock      what `everynode` needs to run
#   requirements-dev.lock  the same versions, and what tests and checks need
#
# Run by hand when a dependency is to change: `tools/lock.sh` keeps what is pinned, `tools/lock.sh --upgrade` moves all.
set -euo pipefail
cd "$(dirname "$0")/.."

tool=.cache/lock-venv
[ -x "$tool/bin/pip-compile" ] || {
    python3 -m venv "$tool"
    "$tool/bin/pip" install --quiet pip-tools
}

compile() { # compile OUTPUT ARGUMENTS…
    local output=$1
    shift
    CUSTOM_COMPILE_COMMAND=tools/lock.sh "$tool/bin/pip-compile" --quiet --generate-hashes --allow-unsafe --strip-extras \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --annotation-style=line \
        --output-file "$output" "$@" pyproject.toml
}

compile requirements.lock "$@"
compile requirements-dev.lock --extra test --extra check --constraint requirements.lock "$@"

if grep -nE '://|^ *-(i|f|-index|-extra|-find|-trusted)' requirements.lock requirements-dev.lock; then
    echo "tools/lock.sh: a lock file names an address" >&2
    exit 1
fi
