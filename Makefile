# The lab's targets; `make help` lists them. Set-up (.venv, packages, image) happens by itself, once.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
JOBS ?= 2

.PHONY: help scenario test check images bench soak sweep clean lock goldens schema

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

scenario: $(READY) ## run one scenario on Docker: make scenario NAME=refused [CASE=open] [PACE=1]
	@$(BIN)/lab run $(or $(NAME),$(error expected NAME=..., as in make scenario NAME=refused)) \
	  $(if $(CASE),--case $(CASE)) $(if $(PACE),--pace)

test: check images ## prove everything: check, then the engines, the scenarios and the bad days
	@echo "== tests on Docker"
	@$(BIN)/pytest -n $(JOBS) --dist loadfile -m "docker and not soak"

check: $(READY) ## format, lint, types and unit tests: no Docker, seconds
	@echo "== format and lint"; $(BIN)/ruff format --check -q . && $(BIN)/ruff check -q .
	@echo "== types"; $(BIN)/mypy
	@echo "== unit tests"; $(BIN)/pytest -n $(JOBS) -m "not docker and not soak"

images: $(READY) ## build the image that hosts run, if images/ has changed
	@$(BIN)/lab images

bench: images ## measure, side by side in one run
	@$(BIN)/python -m tests.bench

soak: images ## repetition, load, and a bare Debian root: a long time
	@$(BIN)/pytest -m soak --durations=0

sweep: $(READY) ## remove what dead runs left behind
	@$(BIN)/lab sweep

clean: ## remove the virtual environment, caches and saved runs; nothing of Docker's
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis runs
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

goldens: $(READY) ## write the golden files and the schema anew; read the difference before you commit it
	@$(BIN)/pytest -q --update-goldens -m "not docker and not soak"
	@$(BIN)/lab schema > scenarios/scenario.schema.json

lock: $(READY) ## choose the newest packages that pyproject.toml allows, for requirements.lock
	@$(BIN)/python -m pip install -q uv
	@$(BIN)/uv pip compile -q --universal --generate-hashes --group dev pyproject.toml -o requirements.lock

$(READY): requirements.lock pyproject.toml
	@echo "== setting up .venv (once; again when the locked packages change)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "expected Python 3.11 or newer, observed " + sys.version)'
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "expected the venv module: on Debian, apt-get install python3-venv" >&2; exit 2; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
