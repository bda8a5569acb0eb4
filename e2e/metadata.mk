# The cluster's metadata: what it costs, and Apache Kafka as its reader. Included by the root Makefile.

.PHONY: show-metadata-scale
show-metadata-scale: ## A metadata image of 1,000,000 partitions: heap, replay, changes while it is shared, a snapshot beside changes. SCALE_PARTITIONS=n.
	@e2e/tools
	@cargo bench -q --locked --profile ci -p barnabas-metadata --bench scale

.PHONY: show-metadata
show-metadata: ## Apache Kafka reads our metadata snapshots, every kind of record, and takes turns with us in one directory: they must say the same
	@e2e/tools
	@e2e/metadata/run
