# Everything runs in .venv, which the first target that needs it makes.
# Another Python: make book PYTHON=python3.12

PYTHON ?= python3
PORT ?= 8000
JOBS ?= 2
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
PIP := $(PY) -m pip install -qq --disable-pip-version-check

.PHONY: help install browser sandbox book serve lab notebooks student test gpu clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' Makefile

install: $(STAMP) ## make .venv with the pinned packages and vae_lib

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "The book needs Python 3.11 or newer; '$(PYTHON)' is not. Name another one:"; \
	  echo "  make $(or $(MAKECMDGOALS),book) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' comes without the venv module. On Debian and Ubuntu:"; \
	  echo "  apt-get install python3-venv"; exit 1; }
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "Installing the pinned packages, several minutes the first time"
	$(PIP) -r requirements.txt
	$(PIP) --no-deps -e .
	@touch $@

book: $(STAMP) ## build the site from nothing, warnings are errors
	rm -rf _build
	$(VENV)/bin/jupyter-book build . --quiet -n -W --keep-going
	$(PY) book/tools/check_site.py
	@echo "The book: _build/html/index.html, or 'make serve' and http://localhost:$(PORT)"

serve: ## show the built site on http://localhost:8000
	@test -d _build/html || { echo "Nothing is built yet: make book"; exit 1; }
	$(PYTHON) -m http.server --directory _build/html --bind 127.0.0.1 $(PORT)

lab: $(STAMP) ## open the notebooks in JupyterLab
	$(VENV)/bin/jupyter lab --LabApp.default_url=/lab/tree/notebooks

notebooks: $(STAMP) ## execute, normalise and stamp the notebooks
	$(PY) book/tools/notebooks.py run

student: $(STAMP) ## generate the copies without solutions, notebooks/student
	$(PY) book/tools/student.py

browser: ## install Chromium for the site's tests where that is possible
	@for name in chromium chromium-browser google-chrome; do \
	  command -v $$name >/dev/null && exit 0; done; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	    --no-install-recommends chromium >/dev/null; \
	else echo "No Chromium here: the tests of the site will be skipped. Install it to run them."; fi

sandbox: ## install bubblewrap, in which the grader runs answers, where that is possible
	@command -v bwrap >/dev/null && exit 0; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	    --no-install-recommends bubblewrap >/dev/null; \
	else echo "No bubblewrap here: the tests of the grader will be skipped. Install it to run them."; fi

test: install browser sandbox book ## everything that guards the book
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(JOBS) --dist loadscope

gpu: ## do the GPU runs that are outstanding (experiments/README.md)
	PYTHONPATH=. $(if $(wildcard $(PY)),$(PY),$(PYTHON)) experiments/run_queue.py $(if $(DATA),--data $(DATA))

clean: ## remove what was built, keep .venv
	rm -rf _build .pytest_cache .ruff_cache .hypothesis
