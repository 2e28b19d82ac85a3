# make demo   train a digit classifier; leaves the graph, a profile and a trace in out/
# make test   lint, types and tests
#
# Both make a virtual environment in .venv first, when there is none.  Needs Python 3.11 or newer
# (with its venv module: Debian's python3-venv) and the network, once.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-warn-script-location

.PHONY: help demo test clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo: $(VENV)/installed
	@$(BIN)/python examples/digits_mlp.py --out out

test: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -m "not slow and not gpu and not peers"

clean:
	rm -rf $(VENV) out build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("flowgraph needs Python 3.11 or newer; say which with make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# Installed again when the dependencies change; -e so that changes of the sources need nothing.
$(VENV)/installed: pyproject.toml | $(BIN)/python
	@echo "installing flowgraph and what it needs (once; a minute or so)"
	@$(PIP) -e .
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	@echo "installing flowgraph and its development tools (once; a minute or so)"
	@$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/installed
