# The whole study, from a fresh clone to figures, tables and report.
# Needs Python 3.11 or newer, git and make; everything else is installed into .venv.

# The first Python that is new enough; `make PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
EXTRAS := notebooks,sweep,test,wandb

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NOTEBOOKS := $(wildcard notebooks/*.ipynb)

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: all help environment data notebooks tables report refresh test test-fast lab lint clean distclean

all: environment data notebooks tables report ## Everything: data, notebooks, figures, tables, report

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

environment: $(STAMP) ## The virtual environment, with the exact versions of constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "make: no Python 3.11 or newer: install one, or name it: make PYTHON=/path/to/python3.12" >&2; \
		exit 1; }
	@echo "Installing into $(VENV): several minutes and up to 6 GB the first time"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

data: environment ## The miniscapes dataset, generated once into data/
	@$(BIN)/seglib data miniscapes

notebooks: data ## Run all notebooks on copies in build/notebooks, with HTML; regenerates figures/
	@$(BIN)/python -m seglib.notebooks execute --html $(NOTEBOOKS)

tables: environment ## The results table in README.md, from the records in results/
	@$(BIN)/python -m seglib.reporting

report: tables ## The written report, once there is one
ifneq ($(wildcard report/main.tex),)
	@cd report && if command -v latexmk >/dev/null; then latexmk -pdf -quiet main.tex; \
		elif command -v tectonic >/dev/null; then tectonic main.tex; \
		else echo "make: the report needs latexmk or tectonic (environment.yml brings tectonic)" >&2; exit 1; fi
endif

refresh: data ## Run the committed notebooks in place, after a change to them or to results/
	@$(BIN)/python -m seglib.notebooks refresh $(NOTEBOOKS)
	@$(BIN)/python -m seglib.reporting

test: data ## All tests, then every notebook again, its outputs compared strictly
	@$(BIN)/python -m pytest
ifneq ($(NOTEBOOKS),)
	@$(BIN)/python -m pytest --nbval --nbval-current-env notebooks
endif

test-fast: data ## The tests that take seconds
	@$(BIN)/python -m pytest -m 'not slow'

lint: environment ## Style checks
	@$(BIN)/ruff check .

lab: data ## Open the notebooks in JupyterLab
	@$(BIN)/jupyter lab notebooks

clean: ## Remove executed notebooks and tool caches; keeps data, results and checkpoints
	rm -rf build .pytest_cache .ruff_cache .hypothesis
	find seglib tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Also remove the environment, the generated dataset and the resized copies
	rm -rf $(VENV) data/miniscapes data/cache
