# Each target is a recipe that a person could type. `make help` lists them.
.POSIX:
.PHONY: help dev test clients check lint docs deny bench clean

# One set of features for every target, so that no dependency is built twice.
BUILD = cargo build --workspace --bin tidegate

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 12

dev: ## Build and start Tidegate on http://127.0.0.1:9000 (ARGS="--port 9001 --data-dir DIR")
	$(BUILD)
	target/debug/tidegate dev $(ARGS)

test: ## Run every test; PostgreSQL and MariaDB are started, or installed, as needed
	cargo test --workspace

clients: ## Drive the MCP endpoint with the Python SDK, MCP Inspector and the conformance suite
	$(BUILD)
	tests/clients/run

check: lint clients test docs deny ## All that continuous integration runs

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

clean: ## Remove what was built; data in .tidegate stays
	cargo clean
