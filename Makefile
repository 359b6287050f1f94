# The two commands are `make run` and `make test`; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= data
LOCK ?= requirements/run.lock
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help venv run demo test test-full lint types check bench vectors parts es lock clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.run ## make only the environment (then .venv/bin/some runs from anywhere)

run: $(VENV)/.run ## start everything with embedded defaults; data in ./data (DATA=… elsewhere)
	@$(BIN)/some --data "$(DATA)" up

demo: $(VENV)/.run ## show the platform on invented traffic, in a temporary data directory
	@$(BIN)/some demo

test: $(VENV)/.dev parts es ## run everything: lint, types, house rules, tests (sampled counts)
	@$(MAKE) --no-print-directory lint types
	@sh tests/run -m "not full"

test-full: $(VENV)/.dev parts es ## run everything with the full counts (tens of minutes)
	@$(MAKE) --no-print-directory lint types
	@SOME_FULL=1 sh tests/run

lint: $(VENV)/.dev ## ruff and the import contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: $(VENV)/.dev ## mypy, strict
	@$(BIN)/mypy

check: lint types ## lint and types without the tests

bench: $(VENV)/.dev ## measure the hot path and print the table of docs/benchmarks.md
	@$(BIN)/python bench/table.py

vectors: $(VENV)/.dev ## remake the test vectors of retention/SPEC.md
	@$(BIN)/python tests/vectors/remake.py

parts: ## name (and as root on Debian install) the system programs that tests start for real
	@sh tests/parts

es: ## fetch a real Elasticsearch for the tests where this machine can run one
	@sh tests/es

lock: ## resolve the lock files again (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url -q --extra build pyproject.toml -o requirements/run.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url -q --extra build --extra dev pyproject.toml -o requirements/dev.lock

clean: ## remove the environment and the caches (never data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* build *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (PYTHON=/path/to/python3.11 make …)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "The venv module is missing: apt-get install python3-venv (Debian, Ubuntu) or dnf install python3.11 (RHEL)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# The lock names every package, so pip resolves nothing (--no-deps): left to it, pip takes `coverage[toml]`, which a
# package asks for, as a second requirement and refuses the lock on the day a newer release appears. `pip check` then
# says whether the lock was whole.
$(VENV)/.run: requirements/run.lock pyproject.toml | $(VENV)/bin/python
	@test -f $(VENV)/.dev || $(BIN)/pip install -q --no-deps --require-hashes -r requirements/run.lock
	@$(BIN)/pip install -q --no-deps --no-build-isolation --editable .
	@$(BIN)/pip check -q
	@touch $@

$(VENV)/.dev: requirements/dev.lock pyproject.toml | $(VENV)/bin/python
	@$(BIN)/pip install -q --no-deps --require-hashes -r requirements/dev.lock
	@$(BIN)/pip install -q --no-deps --no-build-isolation --editable .
	@$(BIN)/pip check -q
	@touch $@ $(VENV)/.run
