# Two commands do all the set-up on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
HOST   ?= 127.0.0.1
PORT   ?= 8080
VIDEO  ?=

.PHONY: setup setup-test run demo test style types clean

setup: $(VENV)/.runtime

setup-test: $(VENV)/.test

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv is missing; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps make a second set-up take no time; they fall with the files that say what to install.
$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.runtime tests/sam2_rt/peer_sam2.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	SAM2_BUILD_CUDA=0 $(BIN)/pip install --quiet --no-deps --no-build-isolation --require-hashes \
		--requirement tests/sam2_rt/peer_sam2.txt || echo "Without Meta's sam2 its tests are skipped."
	@touch $@

run: setup
	$(BIN)/streamer serve --host $(HOST) --port $(PORT)

demo: setup
	$(BIN)/streamer demo $(if $(VIDEO),--video '$(VIDEO)')

# Two processes of one thread each: half of the time goes to waiting for browsers and servers.
test: setup-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

style: setup-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-test
	$(BIN)/mypy

clean:
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache
