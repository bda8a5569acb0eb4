# Frames of Kafka's protocol as text. Included by the root Makefile.
.PHONY: show-protocol
show-protocol: ## `barnabas protocol` on recorded captures, streams and frames, against what it is to write
	@cargo build -q --profile ci -p barnabas
	@e2e/protocol/run $(CARGO_TARGET_DIR)/$(shell uname -m)-unknown-linux-gnu/ci/barnabas
