# `make help` lists what there is. Steps that are done are not repeated.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROVIDER ?= demo
# Temporary files of its own for each suite, and no cache: nothing is shared with other runs on the machine.
SUITE = files=$$(mktemp -d) && trap 'rm -rf "$$files"' EXIT && pytest -p no:cacheprovider --basetemp="$$files/t"
# Passes on whole lines, so that two suites can write at the same time.
WHOLE_LINES = sed -u ''
export PATH := $(CURDIR)/$(BIN):$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport PYTHONPATH PYTHONHOME

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | sed -E 's/:.*## /\t/' | expand -t 18

.PHONY: setup
setup: $(VENV)/.ready ## Install the development environment into .venv

$(VENV)/.ready: requirements/dev.txt crds/pyproject.toml operator/pyproject.toml runtime/pyproject.toml cluster/pyproject.toml cli/pyproject.toml
	@echo "» installing the development environment into $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "The venv module of $(PYTHON) is missing; on Debian: apt-get install python3-venv"; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@uv pip sync --quiet --require-hashes requirements/dev.txt
	@uv pip install --quiet --no-deps --no-build-isolation -e crds -e operator -e runtime -e cluster -e cli
	@touch $@

.PHONY: demo
demo: setup ## Real local cluster, operator and sample bots; prints the URL and an answer got over HTTPS
	@python -m smarter_cluster demo --provider $(PROVIDER)

.PHONY: demo-down
demo-down: setup ## Remove the demo's cluster and everything it made
	@python -m smarter_cluster down --name smarter

.PHONY: check
check: setup ## Fast: format, lint, types, import contracts, unit tests, generated files, charts
	@ruff format --check --quiet . && ruff check --quiet . && echo "format and lint: ok"
	@mypy
	@lint-imports --no-cache > /tmp/smarter-imports.$$$$ 2>&1 || { cat /tmp/smarter-imports.$$$$; rm -f /tmp/smarter-imports.$$$$; exit 1; }; rm -f /tmp/smarter-imports.$$$$; echo "import contracts: ok"
	@$(SUITE) -q -n auto tests/crds tests/operator tests/runtime tests/cluster tests/cli -m "not cluster"

.PHONY: test
test: check test-servers test-clients ## Everything: checks, real databases, real clients, the real API server, pods, ingress, TLS and a browser
	@python -m smarter_cluster prepare
	@python -m smarter_cluster build-images
	@$(SUITE) tests/cluster -m cluster
	@$(MAKE) --no-print-directory -j2 test-integration test-pods

# They wait more than they work: side by side, on clusters of their own, two cores are enough.
.PHONY: test-integration
test-integration: setup
	@set -o pipefail; { $(SUITE) tests/integration; } 2>&1 | $(WHOLE_LINES)

.PHONY: test-pods
test-pods: setup
	@set -o pipefail; { $(SUITE) tests/chaos -m "not long" --cluster-name smarter-chaos; } 2>&1 | $(WHOLE_LINES)
	@set -o pipefail; { $(SUITE) tests/e2e; } 2>&1 | $(WHOLE_LINES)

.PHONY: test-servers
test-servers: setup ## The tests against PostgreSQL, MariaDB, Redis and OpenSSH; root installs what is missing
	@python -m smarter_cluster prepare-servers
	@$(SUITE) -n auto --dist loadfile tests/servers

.PHONY: test-clients
test-clients: setup ## OpenAI's clients for Python and JavaScript and LangChain against a bot
	@npm ci --silent --prefix tests/clients/js
	@$(SUITE) tests/clients

.PHONY: bench
bench: setup ## Measure, and write tests/bench/results/*.json
	@PYTHONPATH=tests python tests/bench/first_path.py
	@$(MAKE) --no-print-directory bench-operator
	@$(MAKE) --no-print-directory bench-runtime

.PHONY: bench-operator
bench-operator: setup ## The operator's part of it alone; OPTIONS="--chatbots 100 --skip-10000 --skip-peer" is a short run
	@PYTHONPATH=tests python -m bench.operator_run $(OPTIONS)

.PHONY: bench-runtime
bench-runtime: setup ## The runtime's part of it alone; OPTIONS="--runs 1 --skip-litellm --no-write" is a quick look
	@python -m smarter_cluster prepare-servers
	@PYTHONPATH=tests python -m bench.runtime_run $(OPTIONS)

.PHONY: chaos
chaos: setup ## The long fault run: the operator is killed again and again, and the API server fails in every way, for minutes
	@$(SUITE) tests/chaos --rounds 40

.PHONY: generate
generate: setup ## Write the CRDs and the reference pages from the models
	@python -m smarter_crds

.PHONY: images
images: setup ## Build the images of operator and runtime
	@python -m smarter_cluster build-images --all

.PHONY: lock
lock: ## Renew the hash-checked requirements of the images and of the development environment
	@for part in operator runtime; do uv pip compile --quiet --upgrade crds/pyproject.toml $$part/pyproject.toml --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package smarter-crds --no-header -o requirements/$$part.txt; done
	@uv pip compile --quiet --upgrade crds/pyproject.toml runtime/pyproject.toml --extra langchain --universal \
	  --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package smarter-crds --no-header -o requirements/runtime-langchain.txt
	@uv pip compile --quiet --upgrade crds/pyproject.toml operator/pyproject.toml runtime/pyproject.toml cluster/pyproject.toml cli/pyproject.toml --extra langchain --group dev --overrides requirements/overrides.txt \
	  --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-package smarter-crds --no-emit-package smarter-runtime --no-header -o requirements/dev.txt
