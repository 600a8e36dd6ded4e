# make quickstart   set up .venv and run the main job
# make test         set up .venv with the development tools and pass every check
# make help         the rest
#
# PYTHON=python3.12  another interpreter        TORCH=cpu|cuda  another build than nvidia-smi suggests
# VENV=folder        another environment        RUN_DIR=folder  another run folder for the quickstart

PYTHON ?= python3
VENV ?= .venv
TORCH ?= auto
TORCH_VERSION ?= 2.13.0
TORCH_CPU_INDEX ?= https://download.pytorch.org/whl/cpu
RUN_DIR ?= runs/quickstart

ifeq ($(TORCH),auto)
override TORCH := $(if $(shell nvidia-smi -L 2>/dev/null),cuda,cpu)
endif
ifeq ($(filter cpu cuda,$(TORCH)),)
$(error TORCH=$(TORCH): known are auto, cpu, cuda)
endif

# An environment that is set up wins; without one, the tools on PATH are used.
BIN = $(if $(wildcard $(VENV)/bin/automl),$(VENV)/bin/)
PIP = $(VENV)/bin/python -m pip --disable-pip-version-check
INSTALL = $(PIP) install --quiet --constraint $(VENV)/torch.txt
# Tests wait for processes of their own: one more of them than cores keeps the cores at work.
WORKERS ?= $(shell $(PYTHON) -c "import os; print(min(4, (os.cpu_count() or 1) + 1))")
RECIPES = $(shell find recipes -name '*.yaml' -not -path '*/runs/*')

# Busy-waiting OpenMP threads make each other 20 times slower on a shared machine.
export OMP_WAIT_POLICY ?= passive
export GOMP_SPINCOUNT ?= 0

.DELETE_ON_ERROR:
.PHONY: help quickstart test setup check fast fix docs schemas clean

help:
	@echo "make quickstart   set up $(VENV) and run recipes/quickstart (minutes, no GPU, no hub)"
	@echo "make test         set up $(VENV) with the development tools, then make check"
	@echo "make setup        only set up, with the development tools"
	@echo "make check        lint, format, types, import contract, all tests"
	@echo "make fast         the tests that take seconds"
	@echo "make fix          repair lint and format, of code and recipes"
	@echo "make docs         write docs/recipe.md and docs/cli.md anew"
	@echo "make schemas      write schemas/ anew"
	@echo "make clean        remove $(VENV) and caches; runs/ stays"
	@echo "PYTHON=$(PYTHON) VENV=$(VENV) TORCH=$(TORCH)"

quickstart: $(VENV)/.quickstart
	$(VENV)/bin/automl run recipes/quickstart/recipe.yaml --run-dir $(RUN_DIR)
	@echo "automl is in $(VENV)/bin; to type it as above:  . $(VENV)/bin/activate"

test: setup
	@$(MAKE) --no-print-directory check

setup: $(VENV)/.dev

check:
	$(BIN)ruff check
	$(BIN)ruff format --check
	$(BIN)mypy
	$(BIN)lint-imports
	$(BIN)automl fmt --check $(RECIPES)
	$(BIN)pytest -n $(WORKERS) --dist worksteal

fast:
	$(BIN)pytest -m "not slow"

fix:
	$(BIN)ruff check --fix
	$(BIN)ruff format
	$(BIN)automl fmt $(RECIPES)

docs:
	$(BIN)python docs/generate.py

schemas:
	for kind in recipe plan; do $(BIN)automl schema $$kind > schemas/$$kind-v1.json || exit 1; done

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache build dist *.egg-info

# One stamp a step: what is set up already costs nothing.

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $$($(PYTHON) --version 2>&1) is too old: Python 3.11 or newer is needed"; \
		echo "  hint: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; } >&2
	@echo "environment: $(VENV), $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "error: $(PYTHON) cannot make virtual environments"; \
		echo "  hint: on Debian and Ubuntu: apt-get install python3-venv"; exit 2; } >&2

# A CPU build is asked for by its local version, so that no index can answer with a CUDA build; the
# configured index is asked first, then PyTorch's own. On macOS every build is a CPU build. Where a
# GPU is, `===` keeps a CPU build that lies about from standing in for the index's CUDA build.
# What was installed is then a constraint, so that nothing that follows replaces it.
$(VENV)/.torch-$(TORCH): $(VENV)/bin/python
	@rm -f $(VENV)/.torch-* $(VENV)/.quickstart $(VENV)/.dev
	@echo "torch: $(TORCH) build of $(TORCH_VERSION)"
ifeq ($(TORCH),cuda)
	@$(PIP) install --quiet torch===$(TORCH_VERSION)
else ifeq ($(shell uname -s),Darwin)
	@$(PIP) install --quiet torch==$(TORCH_VERSION)
else
	@$(PIP) install --quiet torch==$(TORCH_VERSION)+cpu 2>$(VENV)/torch.log || \
		$(PIP) install --quiet --index-url $(TORCH_CPU_INDEX) torch==$(TORCH_VERSION)+cpu || \
		{ cat $(VENV)/torch.log >&2; exit 1; }
endif
	@$(VENV)/bin/python -c 'from importlib.metadata import version as v; print("torch==" + v("torch"))' \
		> $(VENV)/torch.txt
	@touch $@

$(VENV)/.quickstart: $(VENV)/.torch-$(TORCH) pyproject.toml
	@echo "automl: with the quickstart's model"
	@$(INSTALL) --editable '.[quickstart]'
	@touch $@

$(VENV)/.dev: $(VENV)/.torch-$(TORCH) pyproject.toml
	@echo "automl: with the development tools and the quickstart's model"
	@$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.quickstart
