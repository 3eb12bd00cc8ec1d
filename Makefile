# The commands of this repository. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
# Tests run in as many processes; two suit a small machine.
JOBS ?= 2
# Options of the command, as in: make run ARGS=--once
ARGS ?=

.PHONY: help install run test coverage check bench lint format typecheck imports fuzz openapi env-example lock migrate clean distclean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile

# --- installing ---------------------------------------------------------------------------------------------------

install: $(READY)-runtime $(READY)-dev ## Create .venv with everything, also what the tests need

$(READY)-runtime: requirements/bootstrap.lock requirements/runtime.lock pyproject.toml .ci/install
	@.ci/install runtime
	@touch $@

$(READY)-dev: requirements/dev.lock requirements/clients.txt $(READY)-runtime
	@.ci/install dev
	@touch $@

# --- running ------------------------------------------------------------------------------------------------------

# `exec`: a signal to make reaches the program itself, which then stops all it started.
run: $(READY)-runtime ## Start everything on this machine; the first time, send the sample report (ARGS=--once: only that)
	@exec $(BIN)/evidesk up $(ARGS)

migrate: $(READY)-runtime ## Bring the schema of DATABASE_URL, or of the running instance, up to date
	@$(BIN)/evidesk migrate

# --- checking -----------------------------------------------------------------------------------------------------

test: check ## Lint, types, import contracts and the whole test suite
	@$(BIN)/pytest -n $(JOBS) --dist worksteal $(ARGS)

# Apart from `test`, since watching every line makes Python 3.11 take 1.7 times as long.
coverage: $(READY)-dev ## Run the whole test suite and refuse a coverage under 95 %
	@$(BIN)/pytest -n $(JOBS) --dist worksteal --cov --cov-report=term $(ARGS)

check: lint typecheck imports ## All checks that run no product code

lint: $(READY)-dev ## Lint, and check the format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

typecheck: $(READY)-dev ## Check the types
	@$(BIN)/mypy

imports: $(READY)-dev ## Check who may import whom
	@$(BIN)/lint-imports --no-cache

fuzz: $(READY)-dev ## Send every operation of the API many odd requests (ARGS='EXAMPLES=200 SEED=7')
	@env EXAMPLES=50 $(ARGS) $(BIN)/pytest tests/openapi/test_fuzz.py --no-cov

bench: $(READY)-dev ## Measure, and write docs/benchmarks.md
	@$(BIN)/python -m bench $(ARGS)

# --- writing ------------------------------------------------------------------------------------------------------

format: $(READY)-dev ## Put the code into the one format
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

openapi: $(READY)-runtime ## Write openapi.json, docs/errors.md and the list of tools in docs/mcp.md
	@$(BIN)/evidesk openapi
	@$(BIN)/python -m app.commands.errors
	@$(BIN)/python -m mcp_server.document

env-example: $(READY)-runtime ## Write .env.example from the settings
	@$(BIN)/python -m app.commands.env_example

lock: $(READY)-dev ## Renew the locks in requirements/ from pyproject.toml
	@.ci/lock

# --- clearing up --------------------------------------------------------------------------------------------------

clean: ## Remove what tools left: caches, coverage, builds
	@rm -rf .cache .coverage .coverage.* .hypothesis .ruff_cache .pytest_cache htmlcov build dist *.egg-info
	@find app mcp_server mcp_client tests bench alembic -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean ## Remove .venv too; data in .evidesk is kept
	@rm -rf $(VENV)
