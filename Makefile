# Everything below needs only make, git and Python 3.11 to 3.13: `uv` is fetched into .tools on first use.
PYTHON ?= python3
UV_PINNED := infra/docker/uv.txt
UV := .tools/bin/uv
RUN := .venv/bin
# The tests start hundreds of processes: without what was compiled before, each compiles all it imports.
unexport PYTHONDONTWRITEBYTECODE

# The files about what rests in the log, the ledger and the lake.
SERVER_TESTS := $(addprefix tests/test_,$(addsuffix .py,servers events ledger releases causes keys purse \
	idempotency migrations webhooks drain replicas export))

.PHONY: demo test test-server check bench up format advisories manual
.DEFAULT_GOAL := help

help:
	@echo "make demo    watch one capability live its whole life on real data"
	@echo "make test    run the tests"
	@echo "make test-server  run those about the stores on PostgreSQL and S3"
	@echo "make check   format, lint, import contracts, types, known advisories"
	@echo "make advisories   fetch the list of advisories anew (needs the network)"
	@echo "make bench   run the benchmarks (NAME=lifecycle for one)"
	@echo "make up      start the Prefect server, worker, schedules and MLflow"

# uv lives outside .venv, because a sync removes what the lock does not name.
$(UV): $(UV_PINNED)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Opslayer needs Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .tools
	.tools/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $(UV_PINNED)
	@touch $@

.venv/synced: pyproject.toml uv.lock | $(UV)
	$(UV) sync --locked --all-extras --compile-bytecode --system-certs --python $(PYTHON) --no-managed-python
	@touch $@

demo: .venv/synced
	$(RUN)/opslayer demo

test: .venv/synced
	$(RUN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# PostgreSQL and S3 in place of SQLite and folders; `make test BACKEND=server` runs all on them.
test-server: .venv/synced
	BACKEND=server $(RUN)/python -m pytest -n 2 --dist loadfile $(SERVER_TESTS)

check: .venv/synced
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/lint-imports
	$(RUN)/mypy
	$(RUN)/python infra/advisories/audit.py

advisories: .venv/synced
	$(RUN)/python infra/advisories/audit.py refresh

format: .venv/synced
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .

manual: .venv/synced
	$(RUN)/python -m commands.manual docs/commands.md

bench: .venv/synced
	$(RUN)/python -m benchmarks $(NAME)

up: .venv/synced
	$(RUN)/opslayer up
