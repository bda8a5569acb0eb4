# Black-box tests with real clients, Apache Kafka's own tools, and faults. Included by the root Makefile.
# RIVAL=1 runs the same cases against Apache Kafka, which is how they are known to be right.

.PHONY: show-clients
show-clients: ## every client from its registry against our broker
	e2e/clients/run $(if $(RIVAL),--rival)

.PHONY: show-kafka-tools record-kafka-tools
show-kafka-tools: ## Apache Kafka's own tools against our broker, compared with what they print against Apache Kafka
	e2e/kafka/run $(if $(RIVAL),--rival)
record-kafka-tools:
	e2e/kafka/run --record

# Sizes: CI's by default, FULL=1 for the numbers that a finished piece of work must show.
KILL_ROUNDS ?= $(if $(FULL),50,10)
.PHONY: show-kill
show-kill: ## kill -9 under load, restart: every acknowledged record is there, in order, once
	e2e/fault/run kill --rounds $(KILL_ROUNDS) $(if $(SEED),--seed $(SEED)) $(if $(RIVAL),--rival)

MUTANTS ?= $(if $(FULL),100000,10000)
.PHONY: show-bad-input record-frames
show-bad-input: ## wrong lengths, unknown APIs and versions, damaged frames: a clear error or a closed connection, nothing lost
	e2e/fault/run mutants --mutants $(MUTANTS) $(if $(SEED),--seed $(SEED)) $(if $(RIVAL),--rival)
record-frames:
	e2e/fault/run record
