# Set-up and work in two commands: `make demo` and `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
INPUT ?=
MINUTES ?= 5

BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
REQUIREMENTS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
# A half-made environment must not pass for a whole one.
.DELETE_ON_ERROR:
.PHONY: help bench demo test fuzz lint format clean qt-libraries screenshots

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/demo.installed ## denoise a real MR volume in a MRML scene, into ./demo-output (INPUT=scan.nii.gz for your own)
	$(BIN)/python Resources/Demo/denoise_in_scene.py $(if $(INPUT),--input "$(INPUT)")

test: lint qt-libraries ## install what the tests need, check the style and run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

fuzz: $(VENV)/test.installed ## damage files at random and see that each is read rightly or refused (MINUTES=5)
	OMP_NUM_THREADS=1 $(BIN)/python Testing/fuzz_readers.py --minutes $(MINUTES)

# The panel's tests need Qt's system libraries: as root on Debian or Ubuntu they are installed.
qt-libraries: $(VENV)/test.installed
	@packages="$$($(BIN)/python Testing/panel_host/qt_libraries.py)" || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends $$packages || \
			echo "Qt's system libraries could not be installed, so the panel's tests cannot run: install $$packages." >&2; \
	else \
		echo "Qt does not load, so the panel's tests are skipped: run 'sudo apt install $$packages' first." >&2; \
	fi

lint: $(VENV)/test.installed ## check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

format: $(VENV)/test.installed ## put the code into the project's format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/bench.installed ## time ours and its rivals on one volume, into ./bench.md, ./bench.json and ./bench.png
	$(BIN)/neural-diffusion bench --json bench.json --markdown bench.md --plot bench.png

screenshots: $(VENV)/demo.installed qt-libraries ## draw the panel in its states, into ./Resources/Screenshots
	$(BIN)/python Testing/panel_screenshots.py

clean: ## remove the environment and everything that was built or written
	rm -rf $(VENV) demo-output fuzz-findings bench.json bench.md bench.png build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/demo.installed: $(REQUIREMENTS) | $(BIN)/python
	$(PIP_INSTALL) --editable '.[demo]'
	@touch $@

$(VENV)/test.installed: $(REQUIREMENTS) | $(BIN)/python
	$(PIP_INSTALL) --editable '.[demo,train,batch,onnx,test]'
	@touch $@

$(VENV)/bench.installed: $(REQUIREMENTS) | $(BIN)/python
	$(PIP_INSTALL) --editable '.[demo,train,bench]'
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || \
		{ echo "There is no $(PYTHON) here: install Python 3.10, 3.11 or 3.12, or name it with 'make PYTHON=/path/to/python3'." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "$(PYTHON) is $$($(PYTHON) -V 2>&1), but Slicer's classes need Python 3.10, 3.11 or 3.12: name one with 'make PYTHON=python3.12'." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) cannot make virtual environments: install its package, on Debian and Ubuntu with 'apt install python3-venv', and run make again." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
