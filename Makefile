# make run     serve the demo in the foreground; needs Python 3.11+ only, not root
# make test    lint, types and every test; installs what they need first
# make test-unit    the tests that need no sockets, no other programs and no child servers: a minute
# make lint    style, import layers, types
# make format  format the code
# make docs    write the tables in docs/admin.md that list the operations of the admin interface
# make bench   graydns beside knot, unbound, dnsdist and bind9 (benchmarks/README.md); WRITE=1 keeps the table
# make clean   remove everything that the other targets made
#
# PYTHON=/path/to/python3 chooses the interpreter. An install is repeated only when setup.cfg changes,
# so everything works without a network once it is there.
# HYPOTHESIS_PROFILE=dev, ci or nightly says how many examples a property is tried with; CI=true means ci, else it is dev.

# Every server and every graydnsctl that a test starts would compile our modules anew, and pytest rewrite its asserts.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip --quiet --disable-pip-version-check install

.PHONY: help run test test-unit lint format docs bench peers clean
.DELETE_ON_ERROR:

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

run: .venv/installed
	@exec $(BIN)/twistd --nodaemon --pidfile= graydns --config graydns.yaml

# Lint runs beside the tests, and is shown only if it fails; otherwise pytest's summary is the last thing on the screen.
test: .venv/installed-test peers
	@log=$$(mktemp) && trap 'rm -f "$$log"' EXIT && \
	{ $(MAKE) --no-print-directory lint >"$$log" 2>&1 & lint=$$!; \
	$(BIN)/python -m pytest; tests=$$?; \
	wait $$lint || { tests=1; echo 'make lint:'; cat "$$log"; }; exit $$tests; }

test-unit: .venv/installed-test
	@$(BIN)/python -m pytest -m 'not integration'

lint: .venv/installed-test
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

format: .venv/installed-test
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: .venv/installed
	@$(BIN)/python -m tools.operations_reference

bench: .venv/installed-test peers
	@$(BIN)/python -m benchmarks $(if $(WRITE),--write)

# Real DNS software and Consul for the tests, unpacked into .peers/; what cannot be had is named, and skipped by the tests.
peers: .venv/installed
	@$(BIN)/python -m tools.peers

clean:
	rm -rf .venv .peers .tox .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf build dist src/graydns.egg-info twisted/plugins/dropin.cache

.venv/bin/python:
	@python=$$(tools/find-python) && "$$python" -m venv .venv || { rm -rf .venv; exit 1; }

.venv/installed: setup.cfg | .venv/bin/python
	@echo 'graydns: installing into .venv, a minute the first time'
	@$(INSTALL) --editable .
	@touch $@

.venv/installed-test: setup.cfg .venv/installed
	@echo 'graydns: installing what the tests need'
	@$(INSTALL) --editable '.[test,lint]'
	@touch $@
