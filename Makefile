# make demo   everything on this machine: databases, web, workers, a worklist to look at
# make test   the tests, on servers they start themselves; make test-long those that take longest
# Needs only Python 3.11, 3.12 or 3.13; uses uv where it is installed.

VENV := .venv
PYTHON := $(VENV)/bin/python
PYTEST = $(PYTHON) -m pytest -n 2 --dist loadfile --no-loadscope-reorder
export PYTHONPATH := $(CURDIR)
# The tests and the demo start dozens of processes: none of them shall compile the portal anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-long lint scan bench lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo [PHOTOS=folder] [PORT=8000] [HOST=0.0.0.0]"
	@echo "             run the whole portal here; PHOTOS fills the worklist with your pictures,"
	@echo "             HOST=0.0.0.0 lets a phone on the same network in"
	@echo "make test [ARGS=…]   run the tests but the longest; ARGS go to pytest"
	@echo "make test-long   run those: killed workers, trained networks, stories in browsers"
	@echo "make lint    style, types, and who may import whom"
	@echo "make scan    holes that machines find: bandit, secrets in files, holes in libraries"
	@echo "make bench [NAME=…] [ARGS=…]   measure NAME, or everything; ARGS go to the benchmark"
	@echo "make lock    work out requirements/*.txt again (needs uv)"
	@echo "make clean   remove the virtual environment and the caches, never the data"

demo: $(VENV)/.demo
	@exec $(PYTHON) -m portal.machine up \
	  $(if $(PHOTOS),--photos "$(PHOTOS)") $(if $(PORT),--port "$(PORT)") $(if $(HOST),--host "$(HOST)")

# Who names a test gets it, however long it takes.
test: $(VENV)/.dev
	$(PYTEST) $(if $(findstring tests/,$(ARGS)),,-m "not long") $(ARGS)

test-long: $(VENV)/.dev
	$(PYTEST) -m long $(ARGS)

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

scan: $(VENV)/.dev
	$(PYTHON) .ci/scan.py

# Without NAME: each of them, as benchmarks/__main__.py lists them.
bench: $(VENV)/.bench
	@for name in $(or $(NAME),$$($(PYTHON) -c 'from benchmarks.__main__ import NAMES; print(*NAMES)')); do \
	  $(PYTHON) -m benchmarks $$name $(ARGS) || exit; \
	done

# --- The virtual environment --------------------------------------------------------------------
# Stamps: a second run finds them and starts at once; a changed lock installs again.

$(VENV)/.demo: requirements/demo.txt | $(PYTHON)
	$(call install,demo)
$(VENV)/.dev: requirements/dev.txt | $(PYTHON)
	$(call install,dev)
	@touch $(VENV)/.demo
# Beside what dev brings: the pins agree, so one environment holds both.
$(VENV)/.bench: requirements/bench.txt $(VENV)/.dev
	$(call install,bench)

define install
	@echo "Installing requirements/$(1).txt into $(VENV) …"
	@if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(PYTHON) --require-hashes -r requirements/$(1).txt; \
	else \
	  $(PYTHON) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m ensurepip >/dev/null; \
	  $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes \
	    -r requirements/$(1).txt; \
	fi
	@touch $@
endef

# Asked by running it: a name on the PATH may be a shim for a version that is not installed.
$(PYTHON):
	@for python in python3.13 python3.12 python3.11 python3; do \
	  if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
	      >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Lentigo needs Python 3.11, 3.12 or 3.13, and none of them is on the PATH." >&2; exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$found --version) …"; \
	if command -v uv >/dev/null 2>&1; then uv venv --quiet --python "$$found" $(VENV); \
	else $$found -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$$found cannot make virtual environments (on Debian: apt install python3-venv)." >&2; \
	  exit 1; }; fi

# --- Upkeep --------------------------------------------------------------------------------------
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-emit-index-url -c requirements/limits.in pyproject.toml

lock:
	$(COMPILE) --extra dev -o requirements/dev.txt
	$(COMPILE) -c requirements/dev.txt --extra bench -o requirements/bench.txt
	$(COMPILE) -c requirements/dev.txt -o requirements/serve.txt
	$(COMPILE) -c requirements/dev.txt --extra machine -o requirements/demo.txt
	$(COMPILE) -c requirements/dev.txt --extra train -o requirements/train.txt
	$(COMPILE) -c requirements/dev.txt --extra gpu -o requirements/gpu.txt

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@echo "The demo's data is untouched; remove the folder .lentigo to start anew."
