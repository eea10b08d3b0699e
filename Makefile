# Two commands: `make demo` shows the main job, `make test` passes the tests. Both set everything up by themselves.
PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help
# The tests start hundreds of processes: each would compile every module again where none may be written.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help demo test quality test-independent check lint types setup setup-test services lock bench rig-kill rig-world rig-guard rig-truth rig-mutants rig-web rig-fuzz rig-start rig-soak rig-power rig-disk rig-figures rig-lines rig-break rig-model intervals clean

help:            ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup:
	@$(PYTHON) tools/environment.py run

setup-test:
	@$(PYTHON) tools/environment.py test

demo: setup      ## set up and run the main job on simulated cells, shown live
	@$(BIN)/labctl demo

test: setup-test services check ## set up and pass the tests
	@rm -f .pytest_cache/v/labctl/failed; $(BIN)/python -m pytest -n 6 || $(BIN)/python tools/alone.py

services:        ## install Mosquitto, PostgreSQL, nginx and Chromium where that is possible; tests without them are counted as skipped
	@$(PYTHON) tools/services.py

check: lint types

lint: setup-test
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/lint-imports --no-logo > .cache-lint 2>&1 || (cat .cache-lint; rm -f .cache-lint; false)
	@rm -f .cache-lint

types: setup-test
	@$(BIN)/mypy --no-error-summary

test-independent: ## other people's clients against our emulators, and our drivers against their simulators
	@$(PYTHON) tools/environment.py independent
	@.venv-independent/bin/python -m pytest -c tests/independent/pytest.ini tests/independent

quality: setup-test   ## record what the contract suite finds of every driver, for `labctl drivers`
	@$(BIN)/python -m pytest -q tests/contract -k '[' --labctl-quality=drivers/labctl_drivers/quality.json

# WRITE=1 adds what a rig counts to its file in tests/crash/counted and to docs/reference/promises.md.
KEEP = $(if $(WRITE),--write)
rig-figures: setup-test ## long journals verified, a restart of a thousand open runs, a broker and a PostgreSQL that are away
	@$(BIN)/python -m tests.crash.figures $(KEEP)

N ?= 200
rig-kill: setup-test  ## SIGKILL the whole daemon N times at random moments
	@$(BIN)/python -m tests.crash.kill --kills $(N) $(KEEP)

SECONDS ?= 60
rig-world: setup-test ## the deterministic world for SECONDS, one seed a life
	@$(BIN)/python -m tests.crash.world --seconds $(SECONDS) $(KEEP)

rig-guard: setup-test ## kill the daemon of a source meter N times, and stop it 6 times: when is the output off?
	@$(BIN)/python -m tests.crash.guard --kills $(N) $(KEEP)

rig-truth: setup-test ## N kills beside instruments whose books say what truly flowed, with random orders and observers
	@$(BIN)/python -m tests.crash.truth --kills $(N) $(KEEP)

rig-mutants: setup-test ## break safety checks one by one: the test that stands for each must fail
	@$(BIN)/python -m tests.crash.mutants --write

rig-web: setup-test   ## the pages beside 64 channels: N kills, 5 N races for a step, viewers, floods, nonsense, mails of trips, N kills of who sends them
	@$(BIN)/python -m tests.crash.pages --times $(N) --write

rig-fuzz: setup-test  ## a million damaged replies for every framing parser, 100 000 damaged files and orders for every other
	@$(BIN)/python -m tests.property.wire.fuzz --inputs 1000000 $(KEEP)
	@$(BIN)/python -m tests.property.outside.fuzz --inputs 100000 $(KEEP)

rig-start: setup-test ## N random protocols on every emulated instrument: what start accepts, runs to its end
	@LABCTL_START_RUNS=$(N) LABCTL_START_SEED=$$(date +%s) $(BIN)/python -m pytest -q tests/system/test_start_runs.py

HOURS ?= 8
rig-soak: setup-test  ## 64 mixed channels for HOURS of their own time: what grows?
	@$(BIN)/python -m tests.crash.soak --hours $(HOURS) $(KEEP)

intervals: setup-test ## how often 95 % intervals of every fit hold the truth, 1000 noisy cases each
	@$(BIN)/python -m tests.unit.analysis.intervals --write

bench:           ## every figure the project promises, as ratios; sets up PyBaMM beside the simulated cell
	@$(PYTHON) tools/environment.py bench
	@OMP_NUM_THREADS=1 .venv-bench/bin/labctl bench

rig-lines: setup-test ## bad lines to a broker and to PostgreSQL: late, cut after any byte, black holes, half open, refused; about N of them
	@$(BIN)/python -m tests.crash.lines --seeds $$((($(N) + 24) / 25)) $(KEEP)  # a seed has some 28

rig-break: setup-test ## an order is given again wherever the daemon died: every named step of it, every order, every kind of step
	@LABCTL_BREAK_POINTS=all $(BIN)/python -m pytest -q -n 2 tests/system/test_orders_once.py

rig-model: setup-test ## N histories of a journal beside a dictionary that is told the same
	@LABCTL_EXAMPLES=$(N) $(BIN)/python -m pytest -q tests/property/store/test_journal_machine.py

STATES ?= 20000
rig-power: setup-test ## STATES disks as a power cut may leave them, each opened and compared with what was written
	@$(BIN)/python -m tests.crash.power --states $(STATES) $(KEEP)
	@$(BIN)/python -m tests.crash.power --states $$(($(STATES) / 10)) --older $(KEEP)

rig-disk: setup-test  ## a disk that fails at every request in turn
	@$(BIN)/python -m tests.crash.disk $(KEEP)

UV = $(BIN)/uv --quiet pip compile --universal --python-version 3.11 --generate-hashes --custom-compile-command 'make lock'
lock: setup-test ## resolve the lock files anew
	@$(UV) pyproject.toml --group build -o requirements/run.txt
	@$(UV) pyproject.toml --extra parquet --extra cluster --group build --group test -c requirements/run.txt -o requirements/test.txt
	@$(UV) pyproject.toml --group build --group independent -c requirements/run.txt -o requirements/independent.txt
	@$(UV) pyproject.toml --extra parquet --extra cluster --group build --group test --group bench -c requirements/test.txt -o requirements/bench.txt
	@echo uv | $(UV) - -o requirements/uv.txt

clean:           ## remove what was set up
	@rm -rf .venv .venv-independent .venv-bench .mypy_cache .ruff_cache .pytest_cache .hypothesis
