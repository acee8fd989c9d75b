# Each target is a recipe that a person could type. `make help` lists them.
.POSIX:
.PHONY: help dev watch cloud cloud-down journeys deploy destroy test tests infra deployed watched packaged clients check lint docs \
	deny bench bench-lambda fuzz clean

# One set of features for every target, so that no dependency is built twice.
BUILD = cargo build --workspace --bin tidegate

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

dev: ## Build and start Tidegate on http://127.0.0.1:9000 (ARGS="--port 9001 --data-dir DIR")
	$(BUILD)
	target/debug/tidegate dev $(ARGS)

watch: ## Serve the functions on http://127.0.0.1:9000, each in a process that is built again when its code changes
	localstack/watch

cloud: ## Run the deployed shape on this machine: the functions behind a gateway, on an emulator of AWS
	localstack/build
	localstack/up

cloud-down: ## End what `make cloud` started; everything in it is gone
	localstack/emulator stop

journeys: ## Take the end-to-end journeys through what `make cloud` started
	localstack/journeys

deploy: ## Deploy to AWS: ENV=staging, and DATA=FOLDER with the SQLite files that the functions are to carry
	$(BUILD)
	target/debug/tidegate config check "config/environments/$(ENV).yaml"
	infra/build "$(ENV)" "$(DATA)"
	infra/deploy "$(ENV)"

destroy: ## Take a deployment away: ENV=staging
	infra/deploy "$(ENV)" --destroy

test: infra deployed watched tests ## Run every test

tests: ## Run the tests of the code; PostgreSQL, MariaDB and MySQL are started, or installed, as needed
	cargo test --workspace

infra: ## Check the Terraform, and plan it twice
	localstack/test terraform

deployed: ## Deploy the built functions to an emulator that enforces their roles, take the journeys through it, destroy it
	localstack/test deployed

watched: ## Take the journeys through the functions of `make watch`
	localstack/test watched

packaged: ## Build a function for Lambda as `make deploy` does, and look at its size
	localstack/test packaged

clients: ## Drive the MCP endpoint with the Python SDK, MCP Inspector and the conformance suite
	$(BUILD)
	tests/clients/run

check: lint clients test packaged docs deny ## All that continuous integration runs

lint: ## Formatting and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings

docs: ## Build the API documentation of the crates
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps

deny: ## Check licences, banned crates and sources of dependencies
	command -v cargo-deny >/dev/null || cargo install cargo-deny --locked
	cargo deny check bans licenses sources

bench: ## Measure a release build over loopback; beside MCP Toolbox when that is installed
	cargo build --release --package tidegate --package bench
	target/release/bench

FUNCTIONS = auth registry execute mcp sync
bench-lambda: ## Measure start, size and memory of the functions as Lambda runs them
	cargo build --profile function --package hello
	for function in $(FUNCTIONS); do \
		cargo build --profile function --package tidegate-$$function || exit 1; \
	done
	cargo build --release --package bench --bin bench-lambda
	taskset --cpu-list 0 target/release/bench-lambda target/function

SECONDS = 60
fuzz: ## Give the parts that read what others wrote made-up inputs, SECONDS=60 each
	command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
	cargo run --package fuzz --bin seeds -- target/fuzz/seeds
	cp Cargo.lock fuzz/libfuzzer
	for target in guard template cursor postgres_decode; do \
		mkdir -p target/fuzz/found/$$target fuzz/corpus/$$target fuzz/regressions/$$target && \
		cargo fuzz run --fuzz-dir fuzz/libfuzzer --target-dir target/fuzz --sanitizer none $$target \
			target/fuzz/found/$$target target/fuzz/seeds/$$target fuzz/corpus/$$target fuzz/regressions/$$target -- \
			-max_total_time=$(SECONDS) -max_len=65536 -timeout=20 -dict=fuzz/words.dict -artifact_prefix=target/fuzz/ \
			|| exit 1; \
	done

clean: ## Remove what was built; data in .tidegate stays
	cargo clean
