# The cluster's metadata: what it costs, and Apache Kafka as its reader. Included by the root Makefile.

.PHONY: show-metadata-scale
show-metadata-scale: ## A metadata image of 1,000,000 partitions: heap, replay, changes while it is shared, a snapshot beside changes. SCALE_PARTITIONS=n.
	@e2e/tools
	@cargo bench -q --locked --profile ci -p barnabas-metadata --bench scale
