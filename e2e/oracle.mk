# Our messages against Apache Kafka's. Included by the root Makefile. SEED=n repeats a run; FULL=1 takes the full numbers.
.PHONY: show-schema show-oracle
show-schema: ## every message against the schemas in Kafka's jars, and schemas made wrong, which must be noticed
	e2e/oracle/run schema --alterations $(if $(FULL),20000,1000) $(if $(SEED),--seed $(SEED))
show-oracle: ## every message in every version through Kafka's own classes and back, both ways
	e2e/oracle/run oracle --messages $(if $(FULL),2000,50) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))
