# make help lists the targets. Everything runs in .venv, made from the two locks.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Set in some containers. A gateway's start would then compile all of its code, twice, and the tests start many.
unexport PYTHONDONTWRITEBYTECODE
# No plugins of pydantic's are installed, and looking for them among all packages is a twentieth of each process's start.
export PYDANTIC_DISABLE_PLUGINS := __all__

.PHONY: help
help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(STAMP): requirements.lock requirements-bare.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Splitgate needs Python 3.11 or newer: set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --require-hashes --no-deps -r requirements.lock
	$(BIN)/pip install -q --require-hashes --no-deps -r requirements-bare.lock
	$(BIN)/pip install -q --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: setup
setup: $(STAMP)  ## create .venv from the locks

# The clients of tests/e2e/test_clients.py: an environment of their own, since what they ask for is not ours to choose.
CLIENTS := .venv-clients
$(CLIENTS)/.installed: requirements-clients.lock
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/pip install -q --require-hashes --no-deps -r requirements-clients.lock
	@touch $@

# PyTorch, for `splitgate train` and its tests; nothing that serves asks for it. Where it cannot be had the tests of
# training take no part, and this is said; in CI it has to be there.
TRAIN := $(VENV)/.train-installed
$(TRAIN): requirements-train.lock $(STAMP)
	@rm -f $@
	$(BIN)/pip install -q --require-hashes --no-deps -r requirements-train.lock
	@touch $@

.PHONY: train-parts
train-parts: setup  ## install what `splitgate train` needs, if it can be had
	@$(MAKE) --no-print-directory $(TRAIN) || { test -z "$$CI" && echo "PyTorch's build without CUDA could not be installed, so the tests of training take no part, and their types cannot be checked: let PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS name a place that has it"; }

# Gateways of others that the benchmark has beside ours, each in a place of its own. Where one cannot be had, it takes
# no part. The stamp goes first: an installation that broke off is none.
LITELLM_PROXY := .venv-litellm-proxy
$(LITELLM_PROXY)/.installed: requirements-litellm-proxy.lock
	@rm -f $@
	$(PYTHON) -m venv $(LITELLM_PROXY)
	$(LITELLM_PROXY)/bin/pip install -q --require-hashes --no-deps -r requirements-litellm-proxy.lock
	@touch $@

PORTKEY := benchmarks/portkey
$(PORTKEY)/node_modules/.installed: $(PORTKEY)/package.json $(PORTKEY)/package-lock.json
	@rm -f $@
	cd $(PORTKEY) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: bench-others
bench-others:  ## install the gateways of others that the benchmark knows, if they can be had
	@$(MAKE) --no-print-directory $(LITELLM_PROXY)/.installed || echo "LiteLLM's proxy could not be installed: it takes no part"
	@$(MAKE) --no-print-directory $(PORTKEY)/node_modules/.installed || echo "Portkey's gateway could not be installed: it takes no part"

.PHONY: lock
lock: $(STAMP)  ## resolve the locks anew, on purpose
	$(BIN)/uv pip compile pyproject.toml --extra embedded --extra evaluate --extra litellm --extra ner --group dev --python-version 3.11 --universal \
	  --generate-hashes --no-header --no-annotate --upgrade -o requirements.lock
	$(BIN)/uv pip compile requirements-bare.in --no-deps --python-version 3.11 --universal \
	  --generate-hashes --no-header --no-annotate --upgrade -o requirements-bare.lock
	$(BIN)/uv pip compile requirements-clients.in --python-version 3.11 --universal \
	  --generate-hashes --no-header --no-annotate --upgrade -o requirements-clients.lock
	$(BIN)/uv pip compile requirements-litellm-proxy.in --python-version 3.11 --universal \
	  --generate-hashes --no-header --no-annotate --upgrade -o requirements-litellm-proxy.lock
	$(BIN)/uv pip compile requirements-train.in -c requirements.lock --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
	  --generate-hashes --no-header --no-annotate --upgrade -o requirements-train.lock
	@echo "then: make setup image-parts"

.PHONY: image-parts
image-parts: setup  ## write which packages go into the image, from what is installed
	$(BIN)/python deploy/image/resolve.py

# HOST and PORT go before the configuration's. Without CONFIG the command itself looks for one: ./splitgate.yaml.
.PHONY: serve
serve: config-exists setup model  ## run the gateway on the embedded model (HOST=, PORT=, CONFIG=)
	@exec $(BIN)/splitgate serve$(if $(HOST), --host "$(HOST)")$(if $(PORT), --port "$(PORT)")$(if $(CONFIG), --config "$(CONFIG)")

.PHONY: config-exists
config-exists:
	$(if $(CONFIG),$(if $(shell test -f "$(CONFIG)" && echo yes),,$(error CONFIG=$(CONFIG): there is no such file; name one, or leave CONFIG out for ./splitgate.yaml)))

.PHONY: model
model: setup
	@$(BIN)/python -m adapters.embedded.prepare

.PHONY: check
check: setup train-parts  ## lint, types, import contracts: what CI runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-cache
	$(BIN)/python .ci/pip_check.py

.PHONY: format
format: setup  ## format and sort imports
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# A worker each for two cores, files in the order of tests/conftest.py; the slow ones are printed, so that a test that
# grows is seen.
PYTEST := $(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder --durations=20

.PHONY: test
test: setup train-parts model  ## all tests but the exhaustive ones
	$(PYTEST) -m 'not exhaustive'

.PHONY: test-full
test-full: setup train-parts model $(CLIENTS)/.installed  ## everything: all faults, the long fuzz, other clients
	$(PYTEST) --timeout=1800 --hypothesis-profile thorough

.PHONY: coverage
coverage: setup train-parts model  ## tests with branch coverage of the core
	$(PYTEST) -m 'not exhaustive' --cov --cov-report=term-missing:skip-covered

.PHONY: docs
docs: setup  ## write the pages and JSON Schemas that are made by the code
	$(BIN)/python -m gateway.reference docs/api.md docs/formats.md docs/configuration.md docs/policies.md docs/control-map.md docs/telemetry.md
	$(BIN)/python -m gateway.configuration.json_schema
	$(BIN)/python -m policies.engine.json_schema
	$(BIN)/python charts/readme.py charts/splitgate/README.md

# PARTS: what goes in beside the gateway, of "litellm ner embedded".
.PHONY: sbom
sbom: setup  ## write the image's components to dist/sbom.cdx.json (PARTS=)
	@mkdir -p dist
	@$(BIN)/python deploy/image/parts.py requirements.lock base $(PARTS) > dist/sbom.lock
	@$(if $(filter embedded,$(PARTS)),$(BIN)/python deploy/image/parts.py requirements-bare.lock embedded >> dist/sbom.lock)
	@$(BIN)/python deploy/image/sbom.py dist/sbom.lock > dist/sbom.cdx.json
	@rm dist/sbom.lock

.PHONY: image
image:  ## build the image (BASE= by digest, PARTS=, TAG=)
	@sh deploy/image/base.sh "$(BASE)"
	docker build --build-arg BASE="$(BASE)" --build-arg PARTS="$(PARTS)" --build-arg REVISION="$$(git rev-parse HEAD)" \
	  --build-arg VERSION="$$($(PYTHON) -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')" \
	  --tag "$(or $(TAG),splitgate)" .

.PHONY: soak
soak: setup  ## 20 minutes at half load with faults (SOAK_MINUTES=, SOAK_WORKERS=, SOAK_REPORT=)
	@exec $(BIN)/python benchmarks/soak.py$(if $(SOAK_MINUTES), --minutes "$(SOAK_MINUTES)")$(if $(SOAK_WORKERS), --workers "$(SOAK_WORKERS)")$(if $(SOAK_REPORT), --report "$(SOAK_REPORT)")

.PHONY: bench
bench: setup model bench-others  ## the gateway beside others in one run; writes docs/benchmarks and docs/sizing.md
	$(BIN)/python benchmarks/bench.py --publish
	$(BIN)/python benchmarks/publishing/sizing_page.py

.PHONY: sizing
sizing: setup  ## write docs/sizing.md from what the last published run measured
	$(BIN)/python benchmarks/publishing/sizing_page.py

.PHONY: split-model
split-model: setup train-parts model  ## train and measure all ways to keep data apart (hours); writes docs/split-model
	$(BIN)/python benchmarks/split_model.py

# What the embedded models can be sent, on a sample; and whole what is offered as native. `plain` goes along, since the
# tokens that a format adds are told beside it. Cards go into the tree at the end: each says which revision it was made by.
EMBEDDED_FORMATS := plain,spotlight,tool-envelope,azure-documents,harmony,gemini-function-response,struq,defensive-token
EVALUATE := $(BIN)/splitgate evaluate --config splitgate.yaml --cards dist/cards/made
SEP_EVALUATE := $(BIN)/splitgate evaluate --config splitgate.yaml --dataset "$(SEP)" --sample 200 --cards dist/sep/made
.PHONY: cards
cards: setup model  ## measure the embedded models again (hours); writes adapters/embedded/cards
	$(EVALUATE) --model local --formats $(EMBEDDED_FORMATS),secalign --sample 120 --out dist/cards/local
	$(EVALUATE) --model local-split --formats $(EMBEDDED_FORMATS) --sample 120 --out dist/cards/local-split
	$(EVALUATE) --model local-split --formats plain,secalign --out dist/cards/local-split-whole
	cp dist/cards/made/*.yaml adapters/embedded/cards/
	$(BIN)/python benchmarks/cards_page.py adapters/embedded/cards

# SEP: the file of Zverev et al. 2024, which is not part of this repository.
.PHONY: cards-sep
cards-sep: setup model  ## measure the embedded models by SEP's cases (SEP=file); writes adapters/embedded/cards/sep
	$(SEP_EVALUATE) --model local --formats plain,spotlight --out dist/sep/local
	$(SEP_EVALUATE) --model local-split --formats plain,secalign --out dist/sep/local-split
	cp dist/sep/made/*.yaml adapters/embedded/cards/sep/
	$(BIN)/python benchmarks/cards_page.py adapters/embedded/cards/sep

.PHONY: gate
gate: setup  ## fails if the gateway became dearer than committed (GATE=--write commits what is measured)
	$(BIN)/python benchmarks/gate.py $(GATE)

.PHONY: flame
flame: setup  ## look into a worker under load, and draw dist/flame.svg
	@mkdir -p dist
	$(BIN)/python benchmarks/flame.py --svg dist/flame.svg
