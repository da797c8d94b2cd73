.DEFAULT_GOAL := help
.PHONY: help install demo up down verdict test bench pictures lint hooks coverage lock build release-check clean

run := .venv/bin/python -m

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Make .venv with everything that is needed (the other targets do this by themselves)
	@scripts/install.sh

demo: install ## Run the main job from start to end: images climb dev → qa → prod on a real Airflow
	@$(run) demo run

up: install ## Start the sandbox and Airflow and leave them running (AIRFLOW_PORT=…, SANDBOX_PORT=…, EMPTY=1)
	@$(run) demo up $(if $(EMPTY),--empty)

down: ## Stop what 'make up' has started
	@if [ -x .venv/bin/python ]; then $(run) demo down; else echo "Nothing is installed here, so nothing runs."; fi

verdict: install ## Say what the tests of an image in dev came to: make verdict IMAGE=coredns STATUS=passed
	@$(if $(and $(IMAGE),$(STATUS)),$(run) demo verdict "$(IMAGE)" "$(STATUS)",echo "Name both: make verdict IMAGE=coredns STATUS=passed (or failed, or none)" >&2; exit 2)

test: install ## Run all tests, two at a time
	@scripts/install-tools.sh 'the tests' skopeo buildah podman chromium redis-server postgres:postgresql
	@$(run) pytest --numprocesses 2 --dist loadscope

bench: install ## Measure what is promised: prints a table, writes benchmarks/results.json
	@scripts/install-tools.sh 'the benchmarks' skopeo docker-registry
	@$(run) benchmarks

pictures: install ## Make the pictures of the documentation anew, in docs/images
	@scripts/install-tools.sh 'the pictures' chromium pngquant
	@$(run) scripts.pictures

lint: install ## Check style, types and the directions of imports
	@$(run) ruff check .
	@$(run) ruff format --check --quiet .
	@$(run) mypy
	@.venv/bin/lint-imports --config pyproject.toml

hooks: install ## Check style, types, imports and the commit message before each commit (once for each clone)
	@.venv/bin/pre-commit install

coverage: install ## Run the unit tests and those against the sandbox, and show which lines they leave out
	@$(run) coverage erase
	@CI=true $(run) coverage run -m pytest --quiet --numprocesses 2 --dist loadscope -m 'not airflow and not docker_clients'
	@$(run) coverage combine --quiet
	@$(run) coverage report

lock: ## Write requirements.txt and requirements-dev.txt anew from their .in files (needs uv)
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header -o requirements.txt requirements.in
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-strip-extras -o requirements-dev.txt requirements-dev.in

build: install ## Build both distributions into dist/, wheels and sources
	@rm -rf dist
	@$(run) hatchling build -d dist
	@cd sandbox && ../.venv/bin/python -m hatchling build -d ../dist

release-check: build ## Check what would be released, installed in an environment of its own
	@$(run) scripts.release_check

clean: down ## Stop everything, and remove .venv, .demo and caches
	rm -rf .venv .demo dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
