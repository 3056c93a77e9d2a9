# make try      hear it work: set up, then transcribe the example
# make test     lint, types and the quick tests
# make test-real  the tests that need a heavy server (a real vLLM, container engines: fetched on first use)
# make bench    measure how fast it is; never part of the tests
# make docs     write the command reference in README.md anew from --help
# make constraints  pin every dependency anew in constraints.txt
# make clean    remove everything that make made
# Set-up is part of each; nothing has to be prepared by hand. VOXCTL_PYTHON=/path/to/python3.13 chooses the Python.

.DEFAULT_GOAL := help
.PHONY: help setup try lint test test-real bench docs constraints clean

PYTEST_WORKERS ?= 3
# Where every sample counts, nothing else may run: a sound device that comes too late drops some.
ALONE = tests/browser tests/mic

help:
	@sed -n 's/^# \(make [a-z-]* *\)/\1/p' Makefile

setup:
	@sh .ci/setup.sh

try: setup
	@.venv/bin/voxctl transcribe examples/*.wav --realtime

lint: setup
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --check --quiet
	@.venv/bin/mypy --no-error-summary

test: lint
	@.venv/bin/pytest -n $(PYTEST_WORKERS) --dist worksteal

test-real: setup
	@sh .ci/setup-real.sh
	@.venv/bin/pytest -m real $(ALONE)
	@.venv/bin/pytest -m real -n 2 --dist loadscope $(ALONE:%=--ignore=%)

bench: setup
	@.venv/bin/python -m benchmarks

docs: setup
	@.venv/bin/python -m tests.docs

constraints:
	@sh .ci/constraints.sh

clean:
	rm -rf .venv .vllm-venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find voxctl tests -name __pycache__ -type d -prune -exec rm -rf {} +
