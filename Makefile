# Each target sets up all it needs by itself: a virtual environment from the lock files, and kubectl where a test needs it.
#
#   make demo    the main job: a DaemonSet's rolling update, watched as it passes over five simulated nodes
#   make test    every test
#   make check   format, lint, types, layers, sizes
#   make bench   figures, as a table and as JSON (.cache/bench.json)

VENV ?= .venv
export VENV
TESTS ?= tests

.PHONY: demo test check bench format clean

demo: $(VENV)/.ready-run
	$(VENV)/bin/python -m everynode demo

test: $(VENV)/.ready-dev
	$(VENV)/bin/python tools/kubectl.py
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile $(TESTS)

check: $(VENV)/.ready-dev
	tools/check.sh

bench: $(VENV)/.ready-run
	$(VENV)/bin/python -m benchmarks

format: $(VENV)/.ready-dev
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info

$(VENV)/.ready-run: requirements.lock
	tools/setup.sh run
	@touch $@

$(VENV)/.ready-dev: requirements-dev.lock pyproject.toml
	tools/setup.sh dev
	@touch $@ $(VENV)/.ready-run
