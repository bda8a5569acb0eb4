# Compaction of logs. Included by the root Makefile.

.PHONY: show-compaction
show-compaction: ## Compaction against a naive model on random histories, crashes at every call to the disk, MB/s. FULL=1: 5,000 histories.
	@e2e/compaction/show $(if $(FULL),--full) $(if $(SEED),--seed $(SEED))
