# The load generator itself. Included by the root Makefile; what it measures is the business of e2e/bench.

.PHONY: show-perf
show-perf: ## barnabas perf loses, repeats and forgets nothing, also when the broker is killed under it
	e2e/perf/run $(if $(RIVAL),--rival)
