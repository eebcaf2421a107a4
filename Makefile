# Everything a person or CI runs. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/sh
JOBS ?= $(shell nproc)
BINARIES := belayd belay-agent belay

.PHONY: help
help: ## this list
	@echo "Belay: patches Linux fleets with a proven way back."
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: packages
packages:
	@scripts/bootstrap.sh scripts/packages.txt

.PHONY: packages-test
packages-test: packages
	@scripts/bootstrap.sh scripts/packages-test.txt
	@scripts/bootstrap.sh scripts/packages-lab.txt

build/build.ninja: CMakePresets.json | packages
	@echo "belay: configuring"
	@cmake --preset release > build-configure.log 2>&1 || { cat build-configure.log; rm -f build-configure.log; exit 1; }
	@rm -f build-configure.log

.PHONY: build
build: packages build/build.ninja ## build/bin/belayd, belay-agent and belay
	@echo "belay: building $(BINARIES) (the first time takes some minutes)"
	@ninja -C build -j $(JOBS) $(BINARIES)

.PHONY: run
run: build ## start the server, enrol and scan this very machine, print the report (ONCE=1: then end)
	@ONCE="$(ONCE)" scripts/run.sh

.PHONY: test
test: packages-test build/build.ninja ## everything that CI runs
	@ninja -C build -j $(JOBS)
	@scripts/test.sh

.PHONY: demo
demo: build ## six real hosts in a lab, patched dev, staging, production with the same versions
	@scripts/bootstrap.sh scripts/packages-lab.txt
	@python3 -m lab.demo

.PHONY: vm-test
vm-test: build ## kernels, LVM, arrays and pulled plugs, in emulated machines; an hour, by hand. TEST=test_kernel. for one file
	@scripts/bootstrap.sh scripts/packages-lab.txt
	@scripts/bootstrap.sh scripts/packages-vm.txt
	@python3 tests/vm/run.py $(TEST)

.PHONY: sim
sim: packages-test build/build.ninja ## rollouts with faults, simulated: SEEDS=2000 of them, or SEED=1234 alone with its trace
	@ninja -C build -j $(JOBS) belay-sim
	@build/bin/belay-sim $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),2000))

.PHONY: bench
bench: packages-test build/build.ninja ## the numbers of the design, each as a ratio against its peer in one run
	@ninja -C build -j $(JOBS)
	@python3 bench/run.py

.PHONY: lint
lint: packages build/build.ninja ## formatting, clang-tidy, the edge test
	@scripts/bootstrap.sh scripts/packages-lint.txt
	@scripts/lint.sh

.PHONY: sanitize
sanitize: packages-test ## the unit tests under ASan+UBSan, then TSan
	@scripts/bootstrap.sh scripts/packages-lint.txt
	@scripts/sanitize.sh

.PHONY: fuzz
fuzz: packages ## each parser of outside data, SECONDS=60 each
	@scripts/bootstrap.sh scripts/packages-lint.txt
	@scripts/fuzz.sh

.PHONY: package
package: build ## .deb of server, agent and command line, under build/packages
	@packaging/build-debs.sh

.PHONY: clean
clean: ## remove build/ (state of `make run` in .belay/ and of the lab in .lab/ stays)
	@rm -rf build
