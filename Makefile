# Needs python3 (3.11-3.13), pip and make. Everything else comes from requirements.lock into $(VENV).
# Another Python: `make setup PYTHON=python3.12 VENV=.venv-3.12`. More test workers: `make test WORKERS=8`.
VENV ?= .venv
WORKERS ?= 2
ARGS ?=

BIN := $(VENV)/bin
# An environment that stands is kept as it is; another Python beside it is an error that says so.
PYTHON ?= $(or $(wildcard $(BIN)/python),python3)
READY := $(VENV)/.trifacet-ready
LOCK := $(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --generate-hashes \
	--no-emit-index-url --no-emit-find-links --python-version 3.11
export UV_COMPILE_BYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test matrix prove bench check format lint types imports house licences package docs lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

$(READY): requirements.lock pyproject.toml scripts/set_up.py
	@$(PYTHON) scripts/set_up.py --venv $(VENV)

setup: ## install everything into .venv (again only when the lock changes)
	@$(PYTHON) scripts/set_up.py --venv $(VENV)

demo: $(READY) ## draw faces, train on them, score, submit; says where the report lies
	$(BIN)/trifacet demo $(ARGS)

test: $(READY) ## the ordinary test suite
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

matrix: $(READY) ## the ordinary suite on each of Python 3.11, 3.12 and 3.13 that is here, each in .venv-VERSION
	$(BIN)/python scripts/run_matrix.py -n $(WORKERS) $(ARGS)

prove: $(READY) ## the slow proofs
	$(BIN)/python -m pytest -m prove --durations 0 $(ARGS)

bench: $(READY) ## speed and memory beside the peers, kept in bench/history.jsonl
	$(BIN)/python -m bench $(ARGS)

check: format lint types imports house licences package ## format, lint, types, floors, sizes, licences, wheel

format: $(READY)
	$(BIN)/ruff format --check .

lint: $(READY)
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/mypy

# Without its cache, which keeps what an import meant before other files moved.
imports: $(READY)
	$(BIN)/lint-imports --no-logo --no-cache

house: $(READY)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal tests/house $(ARGS)

licences: $(READY)
	$(BIN)/python scripts/check_licences.py

package: $(READY)
	$(BIN)/python scripts/check_package.py

docs: $(READY) ## write the generated pages of docs/reference again
	$(BIN)/python scripts/write_reference.py

lock: $(READY) ## renew requirements.lock and measure its sizes (downloads everything once)
	$(LOCK) --upgrade --quiet --output-file requirements.lock
	$(BIN)/python scripts/lock_sizes.py

clean: ## remove .venv and what tools leave behind; never runs or photos
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
