# The quorum: its engine in scripts, and real processes. Included by the root Makefile. SEED=n repeats an order of faults.

.PHONY: show-raft
show-raft: ## The quorum engine in text scripts: every role meets every message, and the scenarios of KIP-595, 853, 996 and 1186.
	@e2e/show-raft

# Sizes: CI's by default, FULL=1 for the numbers that a finished piece of work must show (half an hour).
QUORUM_ROUNDS ?= $(if $(FULL),15,1)
QUORUM_SHAPES ?= $(if $(FULL),2,0)
QUORUM_SEED = $(if $(SEED),--seed $(SEED))
.PHONY: show-quorum
show-quorum: ## Real processes in network name spaces: the leader killed, stopped and cut off under load, nothing acknowledged lost; Kafka's tools ask. FULL=1: 3 and 5 nodes, lost disks, Apache Kafka as peer.
	@e2e/tools
	@e2e/quorum/run --rounds $(QUORUM_ROUNDS) --shapes $(QUORUM_SHAPES) $(QUORUM_SEED)
	@e2e/quorum/peers $(if $(FULL),,--only tools) $(QUORUM_SEED)
ifdef FULL
	@e2e/quorum/run --nodes 5 --rounds 4 --shapes 2 $(QUORUM_SEED)
	@e2e/quorum/run --dedicated --rounds 2 --shapes 1 $(QUORUM_SEED)
	@e2e/quorum/run --formed static --rounds 2 --shapes 1 $(QUORUM_SEED)
	@e2e/quorum/disks $(QUORUM_SEED)
	@e2e/quorum/disks --nodes 5 $(QUORUM_SEED)
endif

.PHONY: show-quorum-kafka
show-quorum-kafka: ## The same faults for Apache Kafka and for us, 3 nodes: histograms of fail-over beside each other. ROUNDS=n of each fault.
	@e2e/tools
	@e2e/quorum/run --kind both --rounds $(or $(ROUNDS),2) $(QUORUM_SEED)

.PHONY: show-quorum-scale
show-quorum-scale: ## 3 nodes and 100,000 partitions in the image: idle processors, creations a second, start of a broker, fail-over, beside Apache Kafka. PARTITIONS=n.
	@e2e/tools
	@e2e/quorum/scale --kind both $(if $(PARTITIONS),--partitions $(PARTITIONS)) $(QUORUM_SEED)
