# Compaction of logs. Included by the root Makefile.

.PHONY: show-compaction show-compaction-kill
show-compaction: ## Compaction against a naive model on random histories, crashes at every call to the disk, MB/s. FULL=1: 5,000 histories.
	@e2e/compaction/show $(if $(FULL),--full) $(if $(SEED),--seed $(SEED))

show-compaction-kill: ## A broker killed (kill -9) while it compacts, under load by librdkafka: each key's newest record, offsets, tombstones, metrics. FULL=1: 60 kills.
	@e2e/compaction/killed $(if $(FULL),--kills 60) $(if $(SEED),--seed $(SEED))
