# The quorum in a simulator: virtual clocks, network and disks, one history a seed. Included by the root Makefile. SEED=n plays one history and prints
# it; FROM=n begins at another seed.
sim = cargo run -q --locked --profile ci -p barnabas-sim --

.PHONY: show-sim
show-sim: ## Histories of a whole quorum from seeds: faults of every kind, every invariant after every event. FULL=1: 100,000; SEED=n prints one.
	@e2e/tools
ifdef SEED
	@$(sim) --seed $(SEED) --trace
else
	@$(sim) --scenarios
	@$(sim) --seeds $(if $(FULL),100000,5000) --from $(or $(FROM),1)
endif

.PHONY: show-sim-bugs
show-sim-bugs: ## Bugs put into the quorum engine on purpose: does the simulator find them? Two, another pair each day; FULL=1: all.
	@e2e/tools
	@$(sim) --seeds 2000 --bugs $(if $(FULL),100,2) --rotate $$(( $$(date +%s) / 86400 ))
