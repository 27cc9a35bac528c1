# The lab's targets; `make help` lists them. Set-up (.venv, packages, image) happens by itself, once.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
SCENARIOS := $(sort $(notdir $(basename $(wildcard scenarios/*.yaml))))

.PHONY: help scenario prove test check images bench differential determinism soak sweep clean goldens schema lock ready

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

ifeq ($(filter scenario,$(MAKECMDGOALS))$(strip $(NAME)),scenario)
$(error expected a scenario, as in: make scenario NAME=refused; there are $(SCENARIOS))
endif

scenario: ready ## run one on Docker: make scenario NAME=refused [CASE=open] [PACE=1] [HTML=page.html]
	@$(BIN)/lab run $(NAME) $(if $(CASE),--case "$(CASE)") $(if $(PACE),--pace) $(if $(HTML),--html "$(HTML)")

prove: ready ## can its checks fail? make prove NAME=refused (without NAME: all)
	@$(BIN)/lab prove $(if $(NAME),$(NAME),--all)

test: check images ## prove everything: check, then the page, the engines, the scenarios and the bad days
	@echo "== tests in a browser"
	@$(BIN)/pytest -m browser -rs
	@echo "== tests in namespaces"
	@$(BIN)/pytest -n $(JOBS) --dist loadfile -m "namespaces and not soak"
	@echo "== tests on Docker"
	@$(BIN)/pytest -n $(JOBS) --dist loadfile -m "docker and not soak"

check: ready ## format, lint, types and unit tests: no Docker, seconds
	@echo "== format and lint"; $(BIN)/ruff format --check -q . && $(BIN)/ruff check -q .
	@echo "== types"; $(BIN)/mypy
	@echo "== unit tests"; $(BIN)/pytest -n $(JOBS) -m "not browser and not docker and not namespaces and not soak"

images: ready ## build the image that hosts run, if images/ has changed
	@$(BIN)/lab images

bench: images ## measure, side by side in one run
	@$(BIN)/python -m tests.bench

differential: images ## every case on Docker and in namespaces: is anything different?
	@$(BIN)/python -m tests.differential

determinism: images ## no flake? every case again and again, beside busy loops: hours [TURNS=100]
	@$(BIN)/python -m tests.determinism docker namespaces --turns $(or $(TURNS),100)

soak: images ## repetition, load, and a bare Debian root: a long time
	@$(BIN)/pytest -m soak --durations=0

sweep: ready ## remove what dead runs left behind
	@$(BIN)/lab sweep

clean: ## remove the virtual environment, caches and saved runs; nothing of Docker's
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis runs
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

goldens: schema ## write the golden files, translations and the schema anew; read the difference before you commit it
	@$(BIN)/python -m tests.translations
	@$(BIN)/pytest --update-goldens -m "not browser and not docker and not namespaces and not soak"

schema: ready
	@$(BIN)/lab schema > .venv/schema.json && mv .venv/schema.json scenarios/scenario.schema.json

lock: ready ## choose the newest packages that pyproject.toml allows, for requirements.lock
	@$(BIN)/pip install -q --disable-pip-version-check --upgrade --target .venv/uv uv
	@.venv/uv/bin/uv pip compile -q --universal --upgrade --generate-hashes --group dev pyproject.toml -o requirements.lock

ready:
	@$(PYTHON) .ci/venv.py
