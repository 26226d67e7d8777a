# `make demo` and `make test` need nothing but Python 3.11 or newer; everything goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKSPACE ?= demo-workspace

.PHONY: demo test lint format bench clean

demo: $(VENV)/.installed
	$(BIN)/hearspace demo --workspace $(WORKSPACE) $(DEMO_OPTIONS)

test: $(VENV)/.installed-dev
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

# torch comes first and by its exact version, so that a CPU build that is at hand is taken. aisfx pins old
# versions of what it needs, all of which is installed already, so it comes without its dependencies.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hearspace needs Python 3.11 or newer; set PYTHON=…")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[av]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps "$$(grep '^aisfx==' constraints.txt)"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[av,slurm,dev]'
	touch $@
