# Ridgeline's commands. `make` alone lists them; `make demo` and `make test` need nothing but
# Python 3.11, 3.12 or 3.13 and a package index.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
CODE = $(wildcard ridgeline service worker tests benchmarks docs/generate.py requirements)

# Without byte code on disk, every start compiles all modules again.
unexport PYTHONDONTWRITEBYTECODE

# The last file that each step of the installation writes: a partial installation never counts.
LOCKED := $(VENV)/.locked
GPU_LOCKED := $(VENV)/.locked-gpu
READY := $(VENV)/.ready $(if $(GPU),$(GPU_LOCKED))

.PHONY: help
help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  GPU=1       with demo or run: install the CUDA libraries too'
	@echo '  PYTHON=...  the interpreter to make .venv from'
	@echo '  ARGS=...    further arguments of demo, run, test, chaos, fuzz or bench'

.PHONY: demo
demo: $(READY) ## Train a network on this machine, from the spec to a verified model file
	@$(BIN)/ridgeline demo $(ARGS)

.PHONY: run
run: $(READY) ## Run the whole service on 127.0.0.1:8000 until Ctrl-C
	@$(BIN)/ridgeline up $(ARGS)

.PHONY: test
test: $(READY) ## Run all tests
	@$(BIN)/python -m pytest --numprocesses auto $(ARGS)

.PHONY: check
check: $(READY) ## Lint, and run the quick tests of units and architecture (3 minutes)
	@$(MAKE) --no-print-directory --jobs=2 lint quick

.PHONY: quick
quick: $(READY)
	@$(BIN)/python -m pytest --numprocesses auto -m 'not slow' $(ARGS) tests/unit tests/architecture

.PHONY: chaos
chaos: $(READY) ## Kill, stop and disconnect processes for minutes, then check every guarantee
	@$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: fuzz
fuzz: $(READY) ## Train random specs over all layers, names and precisions (15 minutes)
	@$(BIN)/python -m tests.fuzz $(ARGS)

.PHONY: lint
lint: $(READY) ## Check style, format, types and import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports --no-logo

.PHONY: format
format: $(READY) ## Reformat the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(READY) ## Measure against plain Keras and a bare HTTP route (minutes)
	@for subject in job train api queue events curves transfer dashboard; do $(BIN)/python benchmarks/bench_$$subject.py $(ARGS); done

.PHONY: openapi
openapi: $(READY) ## Generate openapi/openapi.json from the code
	$(BIN)/python -m service.openapi

.PHONY: reference
reference: $(READY) ## Generate docs/reference from the code
	$(BIN)/python docs/generate.py

.PHONY: install
install: $(READY) ## Create or update .venv

.PHONY: clean
clean: ## Remove what these commands built (your jobs and models are kept)
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------------------- installation

# Finds the interpreter to create .venv with, or says what is missing. TensorFlow has wheels for
# these versions only; Debian's python3 package lacks ensurepip. In an active virtual environment the
# base interpreter is used, because the environment may be the one to be replaced.
PYTHONS = $(or $(PYTHON),python3 python3.12 python3.11 python3.13)
define find_python
usable='import sys, ensurepip, venv; \
assert (3, 11) <= sys.version_info < (3, 14); \
print(getattr(sys, "_base_executable", sys.executable))'; \
for name in $(PYTHONS); do \
    if python=$$("$$name" -c "$$usable" 2>/dev/null) && test -n "$$python"; then break; fi; \
done; \
if test -z "$${python:-}"; then \
    echo "Ridgeline needs Python 3.11, 3.12 or 3.13 with its venv and ensurepip modules" >&2; \
    echo "(on Debian and Ubuntu: apt install python3-venv). None of these qualifies:" >&2; \
    echo "    $(PYTHONS)" >&2; \
    echo "To use another: make install PYTHON=/path/to/python3.12" >&2; \
    exit 1; \
fi
endef

# uv does not read pip's configuration: the script passes on the index, certificates and proxy.
uv := $(BIN)/python requirements/run_uv.py
install = $(uv) install --python $(BIN)/python --compile-bytecode --require-hashes

# With new locks, or after an interrupted installation, start over. The download cache makes that
# cheap, and no package of an older lock remains.
$(LOCKED): requirements/bootstrap.txt requirements/dev.txt
	@$(find_python); \
	echo "Installing into $(VENV) with $$("$$python" --version) (a minute or two the first time) ..."; \
	rm -rf $(VENV); \
	"$$python" -m venv $(VENV)
	@$(BIN)/python requirements/redis_notice.py
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile \
	    --require-hashes -r requirements/bootstrap.txt
	@$(install) -r requirements/dev.txt
	@touch $@

# The project itself, editable: one line in site-packages and the `ridgeline` command.
$(VENV)/.ready: $(LOCKED) pyproject.toml
	@$(uv) install --python $(BIN)/python --offline --no-deps --no-build-isolation --editable .
	@touch $@

$(GPU_LOCKED): $(LOCKED) requirements/worker-gpu.txt
	@echo "Installing the CUDA libraries (about 3 GB) ..."
	@$(install) -r requirements/worker-gpu.txt
	@touch $@

# -------------------------------------------------------------------------------------- locks

# One resolution for every Python version and platform, with hashes and without an index URL.
# dev.txt comes first and has all packages; the others are subsets, so an image runs the versions
# that were tested. UPGRADE=1 upgrades; without it only what pyproject.toml requires changes.
compile = $(uv) compile --universal --python-version 3.11 --fork-strategy fewest \
    --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' \
    $(if $(UPGRADE),--upgrade)
image = $(compile) pyproject.toml -c requirements/dev.txt

.PHONY: lock
lock: $(READY) ## Compile requirements/*.txt from pyproject.toml (UPGRADE=1: latest releases)
	@$(compile) --group pyproject.toml:bootstrap -o requirements/bootstrap.txt
	@$(compile) pyproject.toml --extra service --extra worker --extra embedded --group dev \
	    -o requirements/dev.txt
	@$(image) --extra service -o requirements/service.txt
	@$(image) --extra worker -o requirements/worker.txt
	@$(image) --extra worker-gpu -o requirements/worker-gpu.txt
