PYTHON ?= python3
BIN := .venv/bin
NPM = ../$(BIN)/python -m services.frontend.npm
RUN_ARGS ?=

# The tests start hundreds of Pythons; without bytecode each of them would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
# In the order of the folders, of which the first have the files that take minutes: they would be alone at the end.
PYTEST = $(BIN)/python -m pytest -q --dist loadfile --no-loadscope-reorder

.PHONY: help setup run test check faults bench soak lock format clean system \
	test-unit test-integration test-api test-tui test-acceptance test-faults test-browser test-web

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

setup: .venv/.ready ## make .venv from the hash-locked requirements; nothing the second time

$(BIN)/uv: requirements-uv.txt
	@echo "Making .venv ..."
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@touch $@

.venv/.ready: $(BIN)/uv requirements.txt pyproject.toml services/version.py
	@echo "Installing packages ..."
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@echo "Compiling the detectors ..."
	@$(BIN)/python -m services.store.precompile
	@touch $@

.venv/.dev: .venv/.ready requirements-dev.txt
	@echo "Installing test and lint packages ..."
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@touch $@

run: setup ## open the console; RUN_ARGS="--rate 200" passes options
	@$(BIN)/anomaly-tui $(RUN_ARGS)

frontend/node_modules/.ready: frontend/package-lock.json frontend/package.json .venv/.dev
	@echo "Installing packages of the web frontend ..."
	@cd frontend && $(NPM) ci --ignore-scripts --prefer-offline --no-audit --no-fund --loglevel error
	@touch $@

# What the tests need besides Python: of the console over SSH, of the web frontend in a browser, of failing system calls.
# Under systemd a package would start an SSH server that everyone can reach, so all is installed by itself only in
# containers; the tests start an sshd of their own.
SYSTEM := tmux screen ssh sshd chromium strace
system:
	@missing=$$(for tool in $(SYSTEM); do PATH=$$PATH:/usr/sbin command -v $$tool >/dev/null || echo $$tool; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && [ ! -d /run/systemd/system ] && command -v apt-get >/dev/null; then \
		echo "Installing tmux, screen, OpenSSH, Chromium and strace ..."; \
		apt-get update -qq >/dev/null; \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
			tmux screen openssh-client openssh-server chromium strace >/dev/null; \
	else echo "Missing for the tests over SSH, in a browser and of failing system calls:" $$missing; \
		echo "Install tmux, screen, openssh-server, chromium and strace (Linux)."; fi

# Hundreds of processes wait for each other beside the tests: what fails among them is tried once more by itself, and the
# report of the first time stays above.
test: .venv/.dev frontend/node_modules/.ready system ## every test, all parts below at once; some twenty minutes
	@cd frontend && $(NPM) --silent test
	@$(PYTEST) -n 4 || $(PYTEST) --last-failed --last-failed-no-failures none

test-unit: .venv/.dev ## its parts: domain, simulator, detectors and services alone, and the examples in docs/
	@$(PYTEST) -n 2 -p no:schemathesis -p no:textual-snapshot tests/unit docs

test-integration: .venv/.dev ## services on a real PostgreSQL and the embedded broker
	@$(PYTEST) -n 2 tests/integration --ignore tests/integration/api

test-api: .venv/.dev ## the HTTP API of a running engine
	@$(PYTEST) -n 2 tests/integration/api

test-tui: .venv/.dev ## the console: keys, screens, snapshots of what they look like
	@$(PYTEST) -n 2 tests/tui

test-acceptance: .venv/.dev system ## the commands as a user types them, over SSH too
	@$(PYTEST) -n 2 tests/acceptance

test-faults: .venv/.dev system ## kill -9 and fencing on a real Apache Kafka (Java and Maven), shortened
	@$(PYTEST) -n 2 tests/faults

test-browser: .venv/.dev frontend/node_modules/.ready system ## the web frontend in a real browser
	@$(PYTEST) tests/browser

test-web: frontend/node_modules/.ready ## the web frontend's modules in Node.js
	@cd frontend && $(NPM) --silent test

check: .venv/.dev frontend/node_modules/.ready ## format, lint, types, one-way imports, known vulnerabilities
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@cd frontend && $(NPM) --silent run lint
	@cd frontend && $(NPM) --silent run typecheck
	@$(BIN)/python .ci/audit

faults: .venv/.dev system ## the fault tests in full, on a real Apache Kafka, and the API fuzzed
	@ANOMALY_TUI_FAULTS=full $(PYTEST) -n 2 tests/faults tests/unit/services/pipeline/test_delivery_protocol.py \
		tests/integration/models/test_rebuild.py tests/integration/api/test_schema.py tests/acceptance/test_started_together.py

bench: .venv/.dev frontend/node_modules/.ready system ## one table each of throughput, latency, growth, starts, detection, console, API, web
	@for b in $(filter-out benchmarks/soak.py,$(wildcard benchmarks/[a-z]*.py)); do $(BIN)/python $$b || exit 1; done
	@$(BIN)/anomaly-tui evaluate --simulator --seeds 3

soak: .venv/.dev ## an hour at 2,000 transactions a second: whether memory or descriptors grow
	@$(BIN)/python benchmarks/soak.py

format: .venv/.dev ## rewrite the sources as ruff wants them
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(BIN)/uv ## resolve the requirements again
	@echo uv==$$($(BIN)/uv --version | cut -d' ' -f2) | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate - -o requirements-uv.txt
	@printf 'hatchling\neditables\n' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml - -o requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group dev -c requirements.txt -o requirements-dev.txt

clean: ## remove .venv and caches; data under the data directory stays
	rm -rf .venv frontend/node_modules frontend/.next .mypy_cache .pytest_cache .ruff_cache
