# Formatting of log directories, beside Kafka's storage tool. Included by the root Makefile.

.PHONY: show-storage
show-storage: ## barnabas storage and Kafka's storage tool with the same flags: the same files, records and refusals; each reads what the other formatted
	@e2e/tools
	@e2e/storage/run
