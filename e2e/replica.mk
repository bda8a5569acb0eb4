# Replication of partitions: its core in scripts and random histories. Included by the root Makefile. SEED=n tells one history; HISTORIES=n plays more.
.PHONY: show-replica
show-replica: ## Leaders, followers and fetchers in text scripts (KIP-101, 279, 497, 903 ...; SCRIPT=name), and random histories with every bug found.
ifdef SEED
	@REPLICA_SEED=$(SEED) cargo test -q --locked --profile ci -p barnabas-replica --lib no_history -- --nocapture
else
	@$(if $(HISTORIES),REPLICA_HISTORIES=$(HISTORIES)) SCRIPT=$(SCRIPT) e2e/show-replica
endif
