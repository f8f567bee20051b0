# `make demo` and `make test` create the virtual environment that they need; the second time they start at once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO_STAMP := $(VENV)/.installed-demo

# Every package that is installed is one of the files whose hashes are written down. log2mq itself is built with what is installed then, so nothing else is fetched.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALL_PINNED := $(INSTALL) --require-hashes --requirement
INSTALL_ITSELF := $(INSTALL) --no-deps --no-build-isolation --editable .
PIN := UV_CUSTOM_COMPILE_COMMAND='make pins' uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate

RUNS ?= 1000000
# The soak: how long, which seed (a random one without it), which kinds of faults (all without it), lmdb or redis, and where its files go.
MINUTES ?= 30
SEED ?=
FAULTS ?=
STORE ?= lmdb
OUT ?= .soak
# Arguments for pytest: make quick ARGS="-k claims"
ARGS ?=
# Tests run side by side. A process without tests left takes tests of another process.
PYTEST := $(BIN)/python -m pytest --dist worksteal
# Tests on a real Kafka wait half of their time, so two processes a core run them. Unit tests only compute.
PROCESSES ?= $(shell echo $$((2 * $$(nproc))))

# cog runs the code in a page's comments and writes the output below each comment: https://cog.readthedocs.io
COG = $(BIN)/cog -P -p 'from pipeline.editor_schema.tables import *' --verbosity=1

# Images often set it. Each of the thousand commands that the tests start would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo quick test coverage lint schemas pictures pins bench fuzz soak soakshort stops clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "log2mq needs Python 3.11 or newer, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv $(VENV)

$(DEMO_STAMP): pyproject.toml requirements/build.txt requirements/demo.txt | $(BIN)/python
	$(INSTALL_PINNED) requirements/build.txt
	$(INSTALL_PINNED) requirements/demo.txt
	$(INSTALL_ITSELF)
	@touch $@

$(STAMP): pyproject.toml requirements/build.txt requirements/dev.txt | $(BIN)/python
	$(INSTALL_PINNED) requirements/build.txt
	$(INSTALL_PINNED) requirements/dev.txt
	$(INSTALL_ITSELF)
	@touch $@ $(DEMO_STAMP)

demo: $(DEMO_STAMP) ## Run the whole job on an embedded Kafka against a stand-in for Quick Audience
	$(BIN)/log2mq demo

quick: $(STAMP) ## Run the fast tests: unit, golden and docs tests, without Kafka and with few examples (ARGS="-k name")
	$(PYTEST) -n logical --hypothesis-profile quick -m 'not kafka and not slow' tests/unit tests/golden tests/docs tests/test_architecture.py $(ARGS)

test: $(STAMP) ## Run the tests, on a real Kafka (ARGS="-k name")
	$(PYTEST) -n $(PROCESSES) $(ARGS)

coverage: $(STAMP) ## Run the tests and list the lines of the job that no test reaches (ARGS="-k name")
	$(PYTEST) -n $(PROCESSES) --cov --cov-report term-missing $(ARGS)

lint: $(STAMP) ## Check style, layers, types and the generated tables of docs/
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(COG) --check --diff docs/*.md

schemas: $(STAMP) ## Generate the JSON Schemas, and the tables of docs/, from the code
	$(BIN)/python -m pipeline.editor_schema.json_schema schemas/json
	$(COG) -r docs/*.md

pictures: $(STAMP) ## Draw the curves of docs/flow.md from the simulation
	$(BIN)/python -m tests.flow docs/flow.svg

pins: ## Write the versions and hashes of all packages that pyproject.toml allows now (needs uv; UPGRADE=--upgrade takes newer versions)
	$(PIN) $(UPGRADE) --extra dev pyproject.toml --output-file requirements/dev.txt
	$(PIN) $(UPGRADE) --constraint requirements/dev.txt --extra demo --extra redis pyproject.toml --output-file requirements/demo.txt
	$(PIN) $(UPGRADE) --constraint requirements/dev.txt requirements/build.in --output-file requirements/build.txt

bench: $(STAMP) ## Measure the commands' start, the whole job against a bare loop of the same libraries, its memory while a million records wait, and how long members stop for each other
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/mapping.py
	$(BIN)/python bench/dedup.py
	$(BIN)/python bench/whole_job.py
	$(BIN)/python bench/waiting.py
	$(BIN)/python bench/rebalance.py

fuzz: $(STAMP) ## Put malformed records through every decoder and the mapping (RUNS=1000000)
	@mkdir -p .fuzz
	$(BIN)/python tests/fuzz/run.py --runs $(RUNS) 2>.fuzz/log

soak: $(STAMP) ## Run the job on a real Kafka while everything fails, and judge what became of every record (MINUTES=30 SEED=7 FAULTS=worker-killed,api-hangs STORE=redis)
	$(BIN)/python -m tests.soak --minutes $(MINUTES) --store $(STORE) --out $(OUT) $(if $(SEED),--seed $(SEED)) $(if $(FAULTS),--faults $(FAULTS))

STOPS ?= 200
stops: $(STAMP) ## Stop commands at random moments while the API takes seconds; nothing may be reported twice (STOPS=200 SEED=7)
	$(BIN)/python -m tests.soak --stops $(STOPS) --store $(STORE) --out $(OUT) $(if $(SEED),--seed $(SEED))

# For CI: three minutes with a fixed seed, in which each of these kinds happens once.
SHORT_SEED := 85172
SHORT_FAULTS := worker-killed,supervisor-killed,rolling-restart,partitions-added,broker-restarted,kafka-reset,dead-topic-deleted,dead-topic-refuses,store-full,clock-back,clock-forward,api-throttling,api-cut-after,replay
soakshort: $(STAMP) ## Run a soak of three minutes with a fixed seed and fourteen kinds of faults
	$(BIN)/python -m tests.soak --minutes 3 --seed $(SHORT_SEED) --out $(OUT)/short --faults $(SHORT_FAULTS)

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .cache .fuzz .soak .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
