# make setup   .venv with the pinned packages (quick when nothing changed)
# make demo    the whole path on 1,797 handwritten digits
# make test    every check: format, lint, types, imports, tests (what CI runs)
# make test-all  the slow tests as well, and those on the datasets beside the repository
# make test-extras  the tests that need an optional package, in an environment of their own (5 GB)
# make lock    compile requirements.lock anew (needs uv)
# make screenshots  draw the report in Debian's Chromium at 1280 and 390 px

PYTHON ?= python3
BIN := .venv/bin
# a file of tests goes whole to one of two workers (its fixtures are costly), in the order of the listing
WORKERS := --numprocesses 2 --dist loadfile --no-loadscope-reorder
STAMP := .venv/.installed

.PHONY: setup demo test test-all test-extras lock screenshots clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is older than 3.11, or lacks venv. Name another: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	$(BIN)/automl demo

test: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest $(WORKERS) -m "not slow"

test-all: setup
	$(BIN)/python -m pytest $(WORKERS)

test-extras:
	test -x .venv-extras/bin/python || $(PYTHON) -m venv .venv-extras
	.venv-extras/bin/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock \
	  --requirement requirements.lock --editable '.[hub,tfds,hf,parquet]'
	.venv-extras/bin/python -m pytest $(WORKERS) tests/nets/own/test_presets.py tests/test_own_preset.py \
	  tests/data/test_from_tfds.py tests/data/test_from_hf.py tests/runs/test_named_dataset.py

lock:
	uv pip compile pyproject.toml --group dev --python-version 3.11 --python-platform linux \
	  --no-header --no-annotate --upgrade --quiet --output-file requirements.lock

screenshots: setup
	$(BIN)/python tests/screenshots/draw.py

clean:
	rm -rf .venv .venv-extras dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
