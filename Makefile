# The only place where commands are spelled; `make help` lists them. Needs Python 3.11+ and make.
PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help run install dev test test-slow test-browser test-postgres test-all check fix bench catalogues ci
help:           ## list the commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

run: install    ## start the dashboard; another port: make run PORT=8502
	@$(BIN)/python -c 'import socket, sys; busy = socket.socket().connect_ex(("127.0.0.1", $(PORT))) == 0; \
	  sys.exit("Port $(PORT) is in use on this machine; choose another, e.g. make run PORT=8502" if busy else 0)'
	$(BIN)/streamlit run Home.py --server.port $(PORT)

install: .venv/installed        ## virtual environment and requirements.txt, when changed
dev: .venv/installed-dev        ## the same with requirements-dev.txt
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, $(PYTHON) is " \
	  + sys.version.split()[0] + "; name another: make run PYTHON=python3.12")'
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
.venv/installed: requirements.txt | .venv/bin/python
	@echo "Installing requirements.txt into .venv (once; a few minutes, about 2 GB)"
	$(INSTALL) -r requirements.txt && touch $@
.venv/installed-dev: requirements-dev.txt .venv/installed
	$(INSTALL) -r requirements-dev.txt && touch $@

test: dev       ## the default tests on two cores, under three minutes
	$(BIN)/python -m pytest -n 2 --dist loadfile
test-slow: dev  ## the tests that load a real model or kill real processes
	$(BIN)/python -m pytest -m "slow and not browser and not postgres"
test-browser: dev  ## the tests in a real browser (Debian's chromium)
	$(BIN)/python -m pytest -m browser
test-postgres: dev  ## what is stored, on a PostgreSQL of its own (Debian's postgresql)
	tools/with_postgres.sh $(BIN)/python -m pytest -n 2 --dist loadfile -m postgres
test-all: test test-postgres test-slow test-browser  ## all of these
check: dev      ## format, lint, types, catalogues; changes nothing
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/python -m tools.catalogues check
fix: dev        ## format, and mend what lint can mend
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .
bench: dev     ## speed and memory, as ratios of one run
	$(BIN)/python -m benchmarks
catalogues: dev ## bring the translation files up to date with the code
	$(BIN)/python -m tools.catalogues extract update compile
ci: check test-all  ## what .ci/run runs
