# The commands for people; `make` alone lists them. The first one that needs it does the set-up, once.
.PHONY: help setup pipeline test test-all lint format docs bench bench-full bench-models report rollback schedule server worker clean

PYTHON ?= python3
VENV   ?= .venv
# Without a GPU: make setup TORCH_INDEX=<the CPU index that pytorch.org's install page names>
TORCH_INDEX ?=
ARGS   ?=
PORT   ?= 4200
POOL   ?= nightly-recs

BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# On up to four cores. One worker runs all tests of a file: loadgroup of xdist 3.8 splits them under pytest 9.2
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
PIP    := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off
# Shorten pip's output to a line per fetched package; its errors go to stderr as they are. A pipe returns the exit status
# of its last command, so that "pip failed" has to pass through it
TELL   := while read -r word rest; do case "$$word $$rest" in \
            *.metadata*) ;; \
            "Downloading "*|"Using cached "*) echo "  $$word $$rest" ;; \
            "Installing collected "*) echo "  Installing them ..." ;; \
            "pip failed") exit 1 ;; \
          esac; done

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## Make the virtual environment and install everything (other commands do it too)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}: make setup PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing packages into $(VENV) (a few minutes, once) ..."
	@test -z "$(TORCH_INDEX)" || { $(PIP) --no-deps --index-url "$(TORCH_INDEX)" $$(grep '^torch==' constraints.txt) || echo pip failed; } | { $(TELL); }
	@{ $(PIP) -c constraints.txt -e '.[dev]' || echo pip failed; } | { $(TELL); }
	@touch $@

pipeline: $(READY) ## Run tonight's pipeline on the demo data (ARGS='--dataset ml-latest-small' for others)
	@$(BIN)/recs run $(ARGS)

test: $(READY) ## Run the tests (a few minutes)
	@$(PYTEST) $(ARGS)

# Among the slow ones, tests/models/numerics/test_processors.py repeats the numerical tests with other processors' kernels
test-all: $(READY) ## Run all tests, the slow ones too
	@$(PYTEST) -m '' $(ARGS)

lint: $(READY) ## Check style and types without changing anything
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(READY) ## Fix style and imports in place
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format .

docs: $(READY) ## Generate the tables of models, metrics and checks in docs/
	@$(BIN)/python -m tests.docs_tables --write

bench: $(READY) ## Measure speed and memory at a tenth of the size of ml-25m, into docs/benchmarks.md (10 minutes)
	@$(BIN)/python -m benchmarks.collect $(ARGS)

bench-full: $(READY) ## Measure speed, memory and growth at full size, into docs/benchmarks.md (hours, 24 GB)
	@$(BIN)/python -m benchmarks.collect --full $(ARGS)

bench-models: $(READY) ## Evaluate the models on the demo data and, if downloaded, on ml-latest-small
	@$(BIN)/python -m benchmarks.nights $(ARGS)

report: $(READY) ## Show last night's figures again
	@$(BIN)/recs report $(ARGS)

rollback: $(READY) ## Show the previous run's lists again
	@$(BIN)/recs rollback $(ARGS)

schedule: $(READY) ## Print what to paste into cron or systemd
	@$(BIN)/recs schedule $(ARGS)

server: $(READY) ## Start a Prefect server with its UI on this machine (PORT=4200), files in data/prefect
	@$(BIN)/python -m flows.prefect_runtime.standing_server $(PORT)

worker: $(READY) ## Start a worker that runs the nights which `recs deploy` has deployed (PORT, POOL)
	@PREFECT_API_URL="$${PREFECT_API_URL:-http://127.0.0.1:$(PORT)/api}" PREFECT_HOME="$${PREFECT_HOME:-$(CURDIR)/data/prefect}" \
	  DO_NOT_TRACK=1 $(BIN)/prefect worker start --pool $(POOL) --type process

clean: ## Remove caches and build leftovers, but keep data/ and the environment
	@rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ ! -path './$(VENV)/*' -prune -exec rm -rf {} +
