# Black-box tests with real clients, Apache Kafka's own tools, and faults. Included by the root Makefile.
# RIVAL=1 runs the same cases against Apache Kafka, which is how they are known to be right.

.PHONY: show-clients
show-clients: ## every client from its registry against our broker
	e2e/clients/run $(if $(RIVAL),--rival)
