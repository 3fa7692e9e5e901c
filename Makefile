# The one entry point for people and for CI. It needs make and Python 3.11 or newer, no root and no network but the
# package index. An installed uv is used; without one, pip puts it into .tools/, which nothing else knows about.

PYTHON ?= python3
# `uv cache dir` also reads pyproject.toml, so a broken shim and a uv older than required-version both fall through.
UV := $(shell uv cache dir >/dev/null 2>&1 && command -v uv || echo .tools/bin/uv)
RUN := $(UV) run --frozen
# What runs the product needs no linters: the first demo downloads that much less.
SVODKA := $(RUN) --no-dev svodka
ARGS ?=

export PATH := $(CURDIR)/.tools/bin:$(PATH)
# uv would fetch an interpreter from outside the package index; the one that is here is the one that is used.
export UV_PYTHON_DOWNLOADS ?= never
# Somebody else's activated environment is none of our business.
unexport VIRTUAL_ENV
# Without bytecode each process compiles every package again: 5 s instead of 2, and a stack is a dozen processes.
unexport PYTHONDONTWRITEBYTECODE
# A HOME that is read-only or not set has no place for a cache.
UV_CACHE := $(or $(UV_CACHE_DIR),$(addsuffix /uv,$(or $(XDG_CACHE_HOME),$(addsuffix /.cache,$(HOME)))))
ifneq ($(shell mkdir -p "$(UV_CACHE)" 2>/dev/null && test -w "$(UV_CACHE)" && echo writable),writable)
export UV_CACHE_DIR := $(CURDIR)/.tools/cache
export PIP_NO_CACHE_DIR := 1
endif

.DEFAULT_GOAL := help
.PHONY: help demo up test drill chaos cover check prompts fmt monitoring bench bench-trends clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(UV) ## Start the servers and a worker, import the example stream, print its digest, stop everything
	@$(SVODKA) demo $(ARGS)

up: $(UV) ## Keep servers, worker and beat running until Ctrl-C
	@$(SVODKA) up $(ARGS)

test: $(UV) ## Run every test but the drill (ARGS="-k word" picks some)
	@$(RUN) pytest -m "not drill" $(ARGS)

drill: $(UV) ## Run the tests that take minutes: under Prometheus, with stores and RabbitMQ that fail, attacks on the API
	@$(RUN) pytest -m drill $(ARGS)

chaos: $(UV) ## The long form: kill at chosen places, then 1,000 runs under 200 faults on two brokers, with reports
	@$(RUN) pytest -m chaos $(ARGS)
	@for broker in valkey rabbitmq; do \
		$(RUN) python -m tests.chaos.storm --broker $$broker --report docs/chaos/$$broker.md || exit 1; done

cover: $(UV) ## Run the other tests and measure coverage; too little of it fails
	@$(RUN) pytest -m "not chaos and not drill" --cov --cov-report=term --cov-report=xml $(ARGS)

check: $(UV) ## Run every check that runs no product code: lint, format, types, room contracts, shape
	@$(RUN) ruff check
	@$(RUN) ruff format --check
	@$(RUN) mypy
	@$(RUN) lint-imports
	@$(RUN) pytest tests/test_shape.py -n 0 -q

prompts: $(UV) ## Check the prompts (variables, budgets, marks), how each renders, and every attack on a model
	@$(RUN) pytest tests/prompts tests/injection -q $(ARGS)

fmt: $(UV) ## Format the code and mend what the linter can mend
	@$(RUN) ruff check --fix
	@$(RUN) ruff format

monitoring: $(UV) ## Play a run with faults under Prometheus and Alertmanager, and say what they saw of it
	@$(RUN) python -m tests.monitoring.live $(ARGS)

bench: $(UV) ## Measure the hot paths, one benchmark after another; trends have a target of their own
	@failed=; for name in $(filter-out trends trendpeers __init__,$(basename $(notdir $(wildcard benchmarks/*.py)))); do \
		echo "== $$name"; $(RUN) python -m "benchmarks.$$name" $(ARGS) || failed="$$failed $$name"; done; \
		[ -z "$$failed" ] || { echo "a limit was not kept:$$failed" >&2; exit 1; }

bench-trends: $(UV) ## Measure trends beside other ways to find them; plots go to out/trends (quick: ARGS="--seeds 30 --posts 10000")
	@$(RUN) python -m benchmarks.trends --plots out/trends $(ARGS)

clean: ## Remove the environment, the tools and every cache; var/ and out/ are yours and stay
	@rm -rf .venv .tools dist .coverage .coverage.* coverage.xml .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.tools/bin/uv:
	@echo "uv is not installed here: pip puts it into .tools/"
	@{ $(PYTHON) -m venv --clear .tools >/dev/null 2>&1 && .tools/bin/python -m pip install --quiet "uv>=0.8"; } \
		|| $(PYTHON) -m pip install --quiet --target .tools --upgrade "uv>=0.8" \
		|| { echo "That failed: $(PYTHON) has to be Python 3.11 or newer with venv or pip (on Debian: python3-venv)," \
			"or install uv yourself: https://docs.astral.sh/uv" >&2; exit 1; }
