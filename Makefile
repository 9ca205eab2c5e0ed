# The tests start some hundred processes: without compiled modules each of them would compile the project anew.
unexport PYTHONDONTWRITEBYTECODE

# Every target does its own set-up: a virtual environment in .venv and Azurite in local/node_modules.
PYTHON ?= python3
USERS ?= 20000
ROUNDS ?= 45
VENV := .venv
BIN := $(VENV)/bin

# Debian packages that are missing: a browser, and a spreadsheet. The browser without windows needs half of the CPU.
BROWSER := $(shell command -v chromium-headless-shell || command -v chromium || command -v chromium-browser)
PROGRAMS := $(if $(BROWSER),,chromium-headless-shell fonts-liberation)
PROGRAMS += $(if $(shell command -v soffice),,libreoffice-calc-nogui)
PROGRAMS := $(strip $(PROGRAMS))

.PHONY: help setup programs demo serve chaos test test-programs test-long test-oldest bench check lint types guards audit clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    export a simulated tenant of USERS=$(USERS) users into demo/, from POST to CSV"
	@echo "make serve   keep the API and the page up on http://localhost:7071"
	@echo "make chaos   kill processes at random moments of ROUNDS=$(ROUNDS) exports, and judge what comes out"
	@echo "             (DURABLE_HOST=PATH: on Microsoft's own Durable extension)"
	@echo "make test    run the tests of the project itself"
	@echo "             (make test-programs: with programs of others, such as Microsoft's Durable extension and generated clients;"
	@echo "             make test-oldest: API and unit tests with the azure-functions of a cold start in Azure;"
	@echo "             make test-long: what takes many minutes)"
	@echo "make bench   measure the export and other ways to the same file (QUICK=1 for a first look)"
	@echo "make check   lint, types and tests"
	@echo "make guards  break each guard on purpose: its test must fail"
	@echo "make audit   look for known vulnerabilities of the packages, and for weak spots in infra/ (needs the internet)"
	@echo "make clean   remove what the set-up installed"

setup: $(VENV)/.ready local/node_modules/.ready

$(VENV)/.ready: requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "Setting up, once: it takes one to two minutes, and 1.6 GB in $(VENV) and local/node_modules."
	@echo "  1 of 4: a Python environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@echo "  2 of 4: the packages of the app ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@echo "  3 of 4: the packages of the local tenant and the tests ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

local/node_modules/.ready: local/package.json local/package-lock.json
	@echo "  4 of 4: Azurite, and the linter of the page, in local/node_modules ..."
	@cd local && npm ci --silent --ignore-scripts --no-fund --no-audit
	@touch $@

tests/clients/node_modules/.ready: tests/clients/package.json tests/clients/package-lock.json
	@echo "Setting up clients that others wrote, and the linters of the contract, in tests/clients/node_modules (once) ..."
	@cd tests/clients && npm ci --silent --ignore-scripts --no-fund --no-audit
	@touch $@

# What the tests open pages and CSVs with. Without it and without apt-get those tests are skipped, and say so.
programs:
ifneq ($(PROGRAMS),)
	@if command -v apt-get >/dev/null; then \
	  echo "Setting up $(PROGRAMS) (once) ..."; \
	  SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$SUDO apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive $$SUDO apt-get install -y -qq --no-install-recommends $(PROGRAMS) >/dev/null; \
	else echo "There is no apt-get here to install $(PROGRAMS): tests that need it are skipped."; fi
endif

demo: setup
	@$(BIN)/python -m local demo --users $(USERS)

serve: setup
	@$(BIN)/python -m local serve --users $(USERS)

chaos: setup
	@$(BIN)/python -m local chaos --rounds $(ROUNDS) $(if $(DURABLE_HOST),--durable-host $(DURABLE_HOST))

# Each process has an Azurite and a simulated tenant of its own, and waits for them now and then: hence one more than
# there are cores. Files come in the order of tests/conftest.py.
CORES := $(shell getconf _NPROCESSORS_ONLN)
PROCESSES := -n $(shell expr $(CORES) + 1) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: setup programs
	@$(BIN)/python -m pytest $(PROCESSES) tests/unit tests/integration tests/api tests/local tests/browser

# What the project meets in Azure and in its callers' hands: Microsoft's Durable extension, worker and Bicep compiler (named
# by DURABLE_HOST and BICEP), and clients that others wrote or generated.
test-programs: setup programs tests/clients/node_modules/.ready
	@$(BIN)/python -m pytest $(PROCESSES) tests/durable tests/clients tests/infra

# What takes minutes: waiting on Microsoft's extension, named by DURABLE_HOST, and more of the random tests.
test-long: setup
	@$(BIN)/python -m pytest -m long -s

# In a cold start in Azure the worker's own azure-functions can stay loaded instead of the pinned one. Here it lies before
# the pinned one on the path; the wheel brings a folder `tests`, which would hide ours.
OLDEST := .local/azure-functions-1.22.1

$(OLDEST)/.ready: $(VENV)/.ready
	@rm -rf $(OLDEST)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(OLDEST) azure-functions==1.22.1
	@rm -rf $(OLDEST)/tests
	@touch $@

test-oldest: setup $(OLDEST)/.ready
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 13))'; then \
	  echo "NOT TESTED with azure-functions 1.22: workers of Python 3.13 have 2.x."; \
	else PYTHONPATH=$(CURDIR)/$(OLDEST) $(BIN)/python -m pytest $(PROCESSES) tests/unit tests/api; fi

lint: setup tests/clients/node_modules/.ready
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@local/node_modules/.bin/biome lint --error-on-warnings
	@infra/lint.sh
	@tests/clients/lint.sh

types: $(VENV)/.ready
	@$(BIN)/mypy

bench: setup $(VENV)/.benchmarks-ready benchmarks/node_modules/.ready
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(LARGE),--large)

$(VENV)/.benchmarks-ready: $(VENV)/.ready benchmarks/requirements.txt
	@echo "Setting up what the benchmarks need in $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

benchmarks/node_modules/.ready: benchmarks/package.json benchmarks/package-lock.json
	@echo "Setting up Microsoft's Graph client for JavaScript in benchmarks/node_modules (once) ..."
	@cd benchmarks && npm ci --silent --ignore-scripts --no-fund --no-audit
	@touch $@

check: lint types test test-programs

guards: setup
	@$(BIN)/python -m tests.guards

# Not in CI: what passes today may fail tomorrow, without a change. Its tools want other packages than the tests.
audit: setup .local/audit/.ready
	@.local/audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements.txt
	@CHECKOV=$(CURDIR)/.local/audit/bin/checkov $(BIN)/python -m pytest -q tests/infra/test_checkov.py

.local/audit/.ready: Makefile
	@$(PYTHON) -m venv .local/audit
	@.local/audit/bin/pip install --quiet --disable-pip-version-check pip-audit==2.10.1 checkov==3.3.30
	@touch $@

clean:
	rm -rf $(VENV) local/node_modules benchmarks/node_modules tests/clients/node_modules .local demo
