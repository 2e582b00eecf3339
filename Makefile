# The whole study, from a fresh clone to figures, tables and report.
# Needs Python 3.11 to 3.14, git and make; everything else is installed into .venv.

# torch has no wheels for later ones yet.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
# The first Python that fits; `make PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done)
VENV := .venv
EXTRAS := browser,notebooks,pretrained,speed,test,wandb

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
# Tests run in as many processes as there are processors, at most four, a file in each; notebooks,
# which take more memory, in at most two.
WORKERS := --numprocesses logical --dist loadfile --maxprocesses

# Threads that wait soon go to sleep: on a busy machine they would take the time of those that work.
export GOMP_SPINCOUNT ?= 10000
export OPENBLAS_NUM_THREADS ?= 1

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: all help environment data notebooks tables report page refresh test test-fast test-long bench colab \
	lab lint clean distclean

all: environment data notebooks tables report page ## Everything: data, notebooks, figures, tables, report, page

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

environment: $(STAMP) ## The virtual environment, with the exact versions of constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@$(or $(PYTHON),false) -c '$(FITS)' 2>/dev/null || { \
		echo "make: no Python 3.11 to 3.14: install one, or name it: make PYTHON=/path/to/python3.12" >&2; \
		exit 1; }
	@echo "Installing into $(VENV): several minutes and up to 6 GB the first time"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || \
		$(PYTHON) -m venv $(if $(wildcard $(VENV)/pyvenv.cfg),--clear) $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

data: environment ## The miniscapes dataset, generated once into data/
	@$(BIN)/seglib data miniscapes

notebooks: data ## Run all notebooks on copies in build/notebooks, with HTML; regenerates figures/
	@$(BIN)/python -m tools.notebooks execute --html $(NOTEBOOKS)

tables: environment ## The results table in README.md, from the records in results/
	@$(BIN)/python -m study.tables

report: data tables ## The written report, report/main.pdf, from the records and the figures
	@$(BIN)/python report/build.py

page: data ## The networks over the kept scenes, to look at in any browser: build/viewer.html
	@$(BIN)/seglib view --output build/viewer.html

refresh: data ## Run the committed notebooks in place, after a change to them or to results/
	@$(BIN)/python -m tools.notebooks refresh $(NOTEBOOKS)
	@$(BIN)/python -m study.tables
	@$(BIN)/python report/build.py

test: data ## All tests, then every notebook again, its outputs compared strictly
	@$(BIN)/python -m pytest $(WORKERS) 4
ifneq ($(NOTEBOOKS),)
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest --nbval --nbval-current-env $(WORKERS) 2 notebooks
endif

test-fast: data ## The tests that take seconds
	@$(BIN)/python -m pytest $(WORKERS) 4 -m 'not slow and not long'

test-long: data ## The tests that take many minutes: every notebook as in Colab, the viewer in Colab and VS Code
	@$(BIN)/python -m pytest -m long

bench: $(VENV)/.bench ## Measure what benchmarks/ lacks; ROWS="input training" measures these anew
	@$(BIN)/python -m benchmarks $(ROWS)

$(VENV)/.bench: $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[$(EXTRAS),bench]'
	@touch $@

colab: ## Write the project's address into all notebooks: make colab REPO=https://github.com/OWNER/NAME
	@test -n "$(REPO)" || { \
		echo "make: say where the project lies: make colab REPO=https://github.com/OWNER/NAME" >&2; exit 1; }
	@$(MAKE) --no-print-directory environment
	@$(BIN)/python -m tools.colab '$(REPO)'

lint: environment ## Style checks
	@$(BIN)/ruff check .

lab: data ## Open the notebooks in JupyterLab
	@$(BIN)/jupyter lab notebooks

clean: ## Remove build/ (executed notebooks, offline W&B runs) and caches; keeps data, results, checkpoints
	rm -rf build .pytest_cache .ruff_cache .hypothesis
	find seglib study miniscapes tools report tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Also remove the environment, the generated datasets, the resized copies and what benchmarks made
	rm -rf $(VENV) data/miniscapes data/miniscapes2560 data/cache benchmarks/data seglib.egg-info
