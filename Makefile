# Every target sets up what it needs first (scripts/set_up.py says how, and what MIEN_TORCH and PYTHON choose).

.DEFAULT_GOAL := help
.PHONY: help serve web demo test check page-tools bench format cuda pytorch3d run-env dev-env

PY := .venv/bin/python
PACKAGES := models render tracker stream
SOURCES := $(PACKAGES) tests scripts mien.py

# Tests run side by side: threads inside each would only fight over the cores.
export OMP_NUM_THREADS ?= 1

help:
	@echo "make serve    the live server: open the address it prints, and allow the camera"
	@echo "make web      what the page's 3D head needs (make serve does it too)"
	@echo "make demo     a synthetic person, filmed and tracked: demo/report.html"
	@echo "make test     the tests"
	@echo "make check    format, lint, types of Python and page, layers, generated files"
	@echo "make bench    the benchmarks"
	@echo "make format   put the source into its format"
	@echo "make cuda, make pytorch3d   what another rasteriser lacks here (docs/backends.md)"

serve: run-env web
	.venv/bin/mien serve

# three.js, for the page's 3D head. Where it cannot be fetched, that is said and the rest works.
web: run-env web_client/node_modules/.package-lock.json

web_client/node_modules/.package-lock.json: web_client/package-lock.json | run-env
	@$(PY) -m scripts.fetch_page

demo: run-env
	.venv/bin/mien demo

# One process a core; a file's tests stay together, since they share what is slow to make (servers, videos). The page's
# tests come alone: a browser and a live server want both cores, and their event loop does not share a process.
test: dev-env page-tools web_client/node_modules/.package-lock.json
	$(PY) -m pytest -n auto --dist loadfile --ignore tests/web
	$(PY) -m pytest tests/web

check: dev-env page-tools
	$(PY) -m ruff format --check $(SOURCES)
	$(PY) -m ruff check $(SOURCES)
	$(PY) -m mypy $(SOURCES)
	$(PY) -m pytest -q tests/test_layers.py tests/stream/test_protocol.py tests/web/test_types.py

# TypeScript, which checks the page's types, and what reads our GLB. Without npm, or without its registry, those tests
# are skipped and say so.
page-tools: tests/web/node_modules/.package-lock.json

tests/web/node_modules/.package-lock.json: tests/web/package-lock.json
	@command -v npm >/dev/null && npm ci --prefix tests/web --no-audit --no-fund || echo "no TypeScript, no glTF validator: is npm there?"

bench: run-env
	.venv/bin/mien bench

format: dev-env
	$(PY) -m ruff format $(SOURCES)
	$(PY) -m ruff check --fix $(SOURCES)

cuda pytorch3d: run-env
	$(PY) -m scripts.look_for_rasterizer $@

run-env:
	@sh scripts/set_up.sh run

dev-env:
	@sh scripts/set_up.sh dev
