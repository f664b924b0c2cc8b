# Two commands matter: `make train` and `make test`. Both set up .venv themselves.

# PyTorch's wheel of constraints.txt is for Python 3.11; another that has one may do.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SETUP := .venv/.complete

.PHONY: train test test-heavy bench bench-reading bench-serving browser format clean

train: $(SETUP)
	$(BIN)/tenfold train classic
	@echo "To call tenfold yourself: . .venv/bin/activate"

# Two files at a time, in the order that tests/conftest.py gives them: files that take long first.
# `make test THREAD_DEPENDENT=1` makes the bits of each training step depend on the number of
# threads, as some processors do, to see that all promises hold there too.
test: $(SETUP) browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(if $(THREAD_DEPENDENT),PYTHONPATH=$(CURDIR)/tests/thread_dependent) \
	  $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# Thousands of mutated files and the like; minutes more.
test-heavy: $(SETUP) browser
	$(BIN)/pytest -m heavy

# The page's tests want a browser; without one they are skipped.
browser:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
	  || echo "no Chromium: the tests of the page are skipped (apt install chromium)"

# Takes about nine minutes and wants the machine to itself.
bench: $(SETUP)
	$(BIN)/python benchmarks/bench_classic.py --with-sklearn
	$(BIN)/python benchmarks/bench_augment.py

# Beside Tesseract, if it is installed, and RapidOCR, which gets an environment of its own.
bench-reading: $(SETUP)
	@test -d .venv-peers || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/pip install --quiet rapidocr-onnxruntime==1.4.4
	$(BIN)/python benchmarks/bench_reading.py --peers .venv-peers/bin/python

# Wants node and npm, which bring the load generator; a quarter of an hour, the machine to itself.
bench-serving: $(SETUP)
	@npm install --silent --no-fund --no-audit --prefix .bench-node loadtest@8.2.1
	$(BIN)/python benchmarks/bench_serving.py --node .bench-node/node_modules

format: $(SETUP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .venv-peers .bench-node

$(SETUP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "expected Python 3.11 or newer: on Debian, apt install python3 python3-venv; elsewhere, make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "no virtual environment can be made: on Debian, apt install python3-venv"; exit 1; }
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $(SETUP)
