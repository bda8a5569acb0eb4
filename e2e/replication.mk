# Replicated partitions among real processes. Included by the root Makefile. SEED=n repeats an order of faults, KIND=apache or both runs Apache Kafka too.

# Sizes: CI's by default, FULL=1 for the numbers that a finished piece of work must show. AIMS are judged against the 99th percentile; AIMS= judges none.
REPLICATION_SEED = $(if $(SEED),--seed $(SEED))
REPLICATION_SIZE = $(if $(FULL),--rounds 40 --stops 5 --shapes 5 --rest 11,--within $(or $(WITHIN),75) $(if $(REST),--rest $(REST)))
comma := ,
AIMS ?= $(if $(FULL),kill=0.8$(comma)pause=2$(comma)stop=3)
.PHONY: show-replication
show-replication: ## Replicated partitions under both clients' load: nodes killed, stopped, cut off, ended; nothing lost, twice or out of order. WITHIN=seconds; KIND=both: histograms beside Apache Kafka's; REST=seconds before each kill. FULL=1: 200 kills, 5 nodes too.
	@e2e/tools
	@e2e/replication/run fail-over --kind $(or $(KIND),barnabas) $(REPLICATION_SIZE) --aims '$(AIMS)' $(REPLICATION_SEED)
ifdef FULL
	@e2e/replication/run fail-over --kind $(or $(KIND),barnabas) --nodes 5 --rounds 10 --stops 2 --shapes 2 --rest 11 --aims '$(AIMS)' $(REPLICATION_SEED)
endif

.PHONY: show-false-alarms
show-false-alarms: ## No time for three nodes: processors busy, disk busy, each stopped for 500 ms: nobody is fenced, nobody else leads. MINUTES=n.
	@e2e/tools
	@e2e/replication/run false-alarms --minutes $(or $(MINUTES),$(if $(FULL),30,2)) $(REPLICATION_SEED)

.PHONY: show-power-cut-cluster
show-power-cut-cluster: ## The power of all three nodes cut at once under load: everything acknowledged is there, without a command. Needs loop devices, else SKIPPED. CUTS=n.
	@e2e/tools
	@e2e/replication/run power-cut --cuts $(or $(CUTS),$(if $(FULL),50,3)) $(REPLICATION_SEED)
