# Two commands on a fresh machine: `make up`, `make test`. Everything they need is set up on demand.
STACK ?= local
ARGS  ?=
VENV  := .venv
PY    := $(VENV)/bin/python
READY := $(VENV)/.ready
NODE  := app/backend/node_modules/.ready
VITE  := app/frontend/node_modules/.ready
PACK  := policy/.venv/.ready
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

help: ## Show this list
	@echo "make TARGET [STACK=local|dev|prod]   (local: this machine, the default; others: AWS)"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

up: $(READY) $(NODE) $(if $(filter local,$(STACK)),page) ## Bring the whole platform up
	@$(if $(filter local,$(STACK)),,$(PY) -m ops --stack $(STACK) lock --check)
	@$(PY) -m tools.stack up --stack $(STACK) $(ARGS)

smoke: $(READY) ## Make two pictures on a stack that is up, and look at its page
	@$(PY) -m ops --stack $(STACK) smoke $(ARGS)

preview: $(READY) ## Show what `make up` would change (ARGS=--expect-no-changes: fail if anything)
	@$(PY) -m tools.stack preview --stack $(STACK) $(ARGS)

report: $(READY) ## Show what a change does: losses, dollars, guardrails (ARGS='--html FILE')
	@$(PY) -m tools.report --stack $(STACK) $(ARGS)

outputs: $(READY) ## Show the stack's addresses and names (ARGS=--json)
	@$(PY) -m tools.stack outputs --stack $(STACK) $(ARGS)

refresh: $(READY) ## Find what was changed or deleted behind Pulumi's back
	@$(PY) -m tools.stack refresh --stack $(STACK) $(ARGS)

down: $(READY) ## Remove everything, and say what was removed
	@$(PY) -m tools.stack down --stack $(STACK) $(ARGS)

test: $(READY) $(NODE) $(VITE) $(PACK) ## Run all tests (ARGS: for pytest)
	@tools/system-packages.sh cloud-init systemd systemd-container debootstrap
	@tools/browser.sh
	@tools/training.sh >/dev/null
	@$(PY) -m pytest $(ARGS)
	@$(if $(ARGS),,npm --prefix app/backend test --silent)
	@$(if $(ARGS),,npm --prefix app/frontend test --silent)

lint: $(READY) $(NODE) $(VITE) ## Check style, types and shell scripts
	@ruff check .
	@ruff format --check .
	@pyright
	@npm --prefix app/backend run lint --silent
	@npm --prefix app/frontend run lint --silent
	@tools/shell-scripts.sh | xargs -0 shellcheck --external-sources
	@echo "shellcheck: $$(tools/shell-scripts.sh | tr -cd '\0' | wc -c) scripts, no faults"
	@tools/workflow-lint.sh

format: $(READY) ## Format the code
	@ruff check --fix .
	@ruff format .

page: $(VITE) ## Build the designer's page, when its sources have changed
	@tools/page.sh

screenshots: $(VITE) $(NODE) ## Take pictures of every view of the page into .cache/screenshots
	@tools/browser.sh
	@$(PY) -m tests.e2e.screenshots

training: $(READY) ## Make the environment that styles are trained in (torch; 6 GB, once)
	@tools/training.sh

frontend-config: $(READY) ## Write the page's config from the stack's outputs
	@$(PY) -m tools.frontend_config --stack $(STACK)

settings-docs: $(READY) ## Make docs/settings.md and docs/outputs.md from the code
	@$(PY) -m tools.settings_docs

picture: $(READY) ## Draw docs/architecture-STACK.svg from what each stack declares
	@$(PY) -m tools.picture

cost-docs: $(READY) ## Make docs/costs.md from what the stacks declare and ops/prices.json
	@$(PY) -m tools.cost_docs

policy-pack: $(PACK) ## Make the guardrails usable as `pulumi preview --policy-pack policy`

lock: ## Write requirements.lock anew from requirements-dev.txt
	@tools/lock.sh

bench: $(READY) ## Measure time and memory (ARGS=--with-build: the CLI's build too)
	@$(PY) -m bench.stack $(ARGS)

bench-pictures: $(READY) $(NODE) ## Measure pictures through the whole path (ARGS=--full: for an hour)
	@$(PY) -m bench.pictures $(ARGS)

$(READY): requirements.lock
	@tools/venv.sh

$(NODE): app/backend/package-lock.json $(READY)
	@tools/node.sh backend

$(VITE): app/frontend/package-lock.json $(READY)
	@tools/node.sh frontend

$(PACK): policy/requirements.txt $(READY)
	@$(PY) -m venv --clear policy/.venv
	@policy/.venv/bin/python -m pip install --quiet --disable-pip-version-check -r policy/requirements.txt
	@touch $@

.PHONY: help up smoke preview report outputs refresh down test lint format page screenshots training frontend-config settings-docs picture cost-docs policy-pack lock bench bench-pictures
