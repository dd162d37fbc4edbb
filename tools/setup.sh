#!/bin/bash
# Makes the virtual environment .venv ready: `tools/setup.sh run` for everynode itself, `tools/setup.sh dev` for tests and checks.
#
# Works on a fresh Debian machine with Python 3.11: what is missing of Python's own (python3-venv) comes from Debian, the
# rest from the lock files, every package checked against its hash.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:?run or dev}
venv=${VENV:-.venv}
python=${PYTHON:-python3}

say() { echo "setup: $*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "Python 3.11 or newer is needed; $python is $("$python" --version 2>&1). PYTHON=… names another."
    exit 1
fi
if [ ! -x "$venv/bin/python" ]; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        say "installing python3-venv"
        as_root apt-get update -qq >&2 && as_root apt-get install -y -qq python3-venv >&2
    fi
    say "creating $venv"
    "$python" -m venv "$venv"
fi

case $what in
run) lock=requirements.lock ;;
dev) lock=requirements-dev.lock ;;
*) say "no such set: $what"; exit 2 ;;
esac
say "installing what $lock names"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
if [ "$what" = dev ]; then
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
fi
