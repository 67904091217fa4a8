# Everything that is done with this project, from a clean clone, with nothing installed but Python 3.11+, git and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
TESTS  ?= tests
LONG_TESTS := $(addprefix tests/,concurrency faults processes)
FUNCTIONAL_TESTS := $(addprefix tests/,api concurrency pooler seeds services)
WORKERS_FOR_TESTS ?= auto
PARALLEL := -n $(WORKERS_FOR_TESTS) --dist worksteal
SHIPPED := app scripts migrations
SEEDED := seed=$${SEED:-$$($(BIN)/python -c 'import secrets; print(secrets.randbits(32))')} && echo "SEED=$$seed"

export LOG_FORMAT ?= console
unexport PYTHONDONTWRITEBYTECODE  # what is here is started many times, and would be compiled each time

.DEFAULT_GOAL := help
.PHONY: help install run test test-pooler soak simulate fuzz check audit format migrate seed verify bench-credits bench-rates bench-quick schema openapi lock clean

help:  ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(READY)  ## Install everything into .venv

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: $(READY)  ## Serve on port 8000, with a PostgreSQL of its own unless DATABASE_URL is set
	@exec $(BIN)/wallet serve

test: $(READY)  ## Run the tests on a PostgreSQL of their own (POSTGRES_BINARIES=… for another one)
	@$(BIN)/python -m pytest $(PARALLEL) $(TESTS)

test-pooler: $(READY)  ## Run the functional tests through a pgbouncer in transaction mode (needs pgbouncer)
	@DATABASE_POOLER=transaction $(BIN)/python -m pytest $(PARALLEL) $(FUNCTIONAL_TESTS)

soak: $(READY)  ## Run the tests of failures, races and overload at length, six minutes (SEED=… to repeat)
	@LONG=1 $(BIN)/python -m pytest $(LONG_TESTS)

simulate: $(READY)  ## Drive engine and naive model together, 20,000 runs (SEED=… to repeat)
	@$(SEEDED) && LONG=1 SEED=$$seed $(BIN)/python -m pytest --hypothesis-seed=$$seed tests/model

fuzz: $(READY)  ## Send every call 2,000 hostile requests, and every parser 5,000 texts (SEED=… to repeat)
	@$(SEEDED) && LONG=1 SEED=$$seed $(BIN)/python -m pytest $(PARALLEL) --hypothesis-seed=$$seed tests/hostile

check: $(READY)  ## Everything that must hold: format, lint, types, layers, tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive $(SHIPPED)
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(MAKE) --no-print-directory test

audit: $(READY)  ## Ask whether locked versions have known vulnerabilities (needs the network)
	@$(BIN)/python -m scripts.audit

format: $(READY)  ## Put the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

migrate: $(READY)  ## Bring the database's tables up to date
	@$(BIN)/wallet migrate

seed: $(READY)  ## Put the seed data in, if it is not there
	@$(BIN)/python -m scripts.seed

verify: $(READY)  ## Recompute the whole ledger from its rows
	@$(BIN)/wallet verify

bench-credits: $(READY)  ## Measure holds beside spends, wallets of many lots, and the due job, two minutes
	@$(BIN)/python -m benchmarks.credits

bench-rates: $(READY)  ## Measure what a key's rate costs, and how exact it is over several processes, four minutes
	@$(BIN)/python -m benchmarks.rates

bench-quick: $(READY)  ## Compare with a straightforward implementation, two minutes (needs wrk)
	@$(BIN)/python -m benchmarks.quick

schema: $(READY)  ## Write docs/schema.sql anew from the migrations
	@$(BIN)/python -m tests.migrations.dump_schema

openapi: $(READY)  ## Write docs/openapi.json anew from the routes
	@$(BIN)/python -m tests.api.write_openapi

lock: $(READY)  ## Compile the lock files anew from pyproject.toml
	@PYTHON=$(BIN)/python sh scripts/lock.sh

clean:  ## Remove what was installed or built; .wallet, which holds data, stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
