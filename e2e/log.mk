# Apache Kafka as judge of log directories. Included by the root Makefile. SEED=n repeats a run; FULL=1 writes four times as much.
.PHONY: show-log-judge
show-log-judge: ## Kafka's tools read every directory that we write, Kafka opens ours and we open its: same records, offsets, groups
	@e2e/tools
	@e2e/log/run --size $(if $(FULL),4,1) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))
