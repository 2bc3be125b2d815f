# Everything a person types. The real build is Meson; see docs/architecture.md for the map.
BUILD ?= build
DATA ?= data
LISTEN ?= 127.0.0.1:5433
ONLY ?=

.PHONY: help run build test sim fuzz queries coverage mutants bench lint format clean
.DEFAULT_GOAL := help

help: ## this list
	@echo "make targets:"
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## */\t/' | expand -t 12 | sed 's/^/  /'

build/build.ninja:
	@tool/setup build
	@meson setup build >build-setup.log 2>&1 || { cat build-setup.log; rm -f build-setup.log; exit 1; }
	@rm -f build-setup.log

build: build/build.ninja ## compile; the program is build/satori
	@tool/setup build
	@ninja -C build

run: build ## build, make ./data if there is none, serve on 127.0.0.1:5433
	@exec build/satori server --data $(DATA) --create --listen $(LISTEN)

test: ## build and run every test; ends with "N passed, N failed"
	@tool/setup test
	@$(MAKE) --no-print-directory build/build.ninja
	@ninja -C build
	@tool/run-tests build

sim: ## simulate (SEEDS=n, MINUTES=n, or SEED=x to replay one with its trace; WORKLOAD, MODE; POINTS=n)
	@$(MAKE) --no-print-directory build/build.ninja
	@ninja -C build test/sim test/points >/dev/null
	@$(if $(POINTS),BUILD=build test/sim/points_run $(POINTS),build/test/sim $(if $(SEED),--seed $(SEED) --trace,$(if $(MINUTES),--minutes $(MINUTES),--seeds $(or $(SEEDS),100))) \
		$(if $(FIRST),--first $(FIRST)) $(if $(WORKLOAD),--workload $(WORKLOAD)) $(if $(MODE),--mode $(MODE)))

mutants: ## plant bugs and see that tests catch them; ONLY=pattern
	@tool/setup test
	@tool/mutants "$(ONLY)"

bench: ## measure beside the peers (ONLY=pattern, SCALE of TPC-H); also writes build/bench.json
	@tool/setup bench
	@$(MAKE) --no-print-directory build/build.ninja
	@ninja -C build
	@bench/run build "$(ONLY)"

fuzz: ## fuzz each target for MINUTES (1); ONLY=pattern
	@tool/setup fuzz
	@tool/fuzz $(or $(MINUTES),1) "$(ONLY)"

queries: ## random queries, checked (QUERIES=n, SEED=n, POSTGRES=share compared with PostgreSQL 15)
	@tool/setup test
	@$(MAKE) --no-print-directory build/build.ninja
	@ninja -C build
	@test/queries/run --queries $(or $(QUERIES),20000) --seed $(or $(SEED),1) --postgres $(or $(POSTGRES),0.1)

coverage: ## which lines and branches of the storage rooms the tests reach (minutes; docs/coverage.md)
	@tool/setup test
	@tool/coverage --slice full --write

lint: ## clang-format, clang-tidy, cppcheck, tool/tidy
	@tool/setup lint
	@$(MAKE) --no-print-directory build/build.ninja
	@tool/lint build

format: ## rewrite the sources as clang-format wants them
	@tool/setup lint
	@git ls-files '*.c' '*.h' | xargs clang-format -i

clean: ## remove build directories (never ./data)
	@rm -rf build build-*
