# Two commands on a fresh machine: `make up`, `make test`. Everything they need is set up on demand.
STACK ?= local
VENV  := .venv
PY    := $(VENV)/bin/python
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

$(VENV)/.ready: requirements.lock
	@command -v python3.11 >/dev/null || { echo "Python 3.11 is needed and was not found; install python3.11 and its venv module" >&2; exit 1; }
	@echo "Setting up $(VENV) (about a minute the first time)…"
	@test -x $(PY) || python3.11 -m venv $(VENV)
	@$(VENV)/bin/pip install -q --disable-pip-version-check -r requirements.lock
	@touch $@

lint: $(VENV)/.ready ## Check style and types
	ruff check .
	ruff format --check .
	pyright

test: $(VENV)/.ready ## Run all tests
	pytest

format: $(VENV)/.ready ## Format the code
	ruff check --fix .
	ruff format .

settings-docs: $(VENV)/.ready ## Make docs/settings.md and docs/outputs.md from the code
	$(PY) -m tools.settings_docs

.PHONY: help lint test format settings-docs
