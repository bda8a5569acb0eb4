# The quorum in a simulator: virtual clocks, network and disks, one history a seed. Included by the root Makefile. SEED=n plays one history and prints
# it; FROM=n begins at another seed; BUG=name puts a bug in. SEED=n KEEP=name ABOUT='what was wrong' keeps a history that fails as a script in
# broker/sim/scenarios, without what it does not need to fail; SCENARIO=name plays one of those and prints it.
sim = cargo run -q --locked --profile ci -p barnabas-sim --

.PHONY: show-sim
show-sim: ## Histories of a whole quorum from seeds: faults of every kind, every invariant after every event. FULL=1: 100,000; SEED=n prints one.
	@e2e/tools
ifdef KEEP
	@$(sim) --seed $(SEED) $(if $(BUG),--bug $(BUG)) --keep $(KEEP) --about "$(ABOUT)"
else ifdef SEED
	@$(sim) --seed $(SEED) $(if $(BUG),--bug $(BUG)) --trace
else ifdef SCENARIO
	@$(sim) --script broker/sim/scenarios/$(SCENARIO) $(if $(BUG),--bug $(BUG))
else
	@$(sim) --scenarios
	@$(sim) --seeds $(if $(FULL),100000,5000) --from $(or $(FROM),1)
endif

.PHONY: show-sim-bugs
show-sim-bugs: ## Bugs put into the quorum engine on purpose: does the simulator find them? Two, another pair each day; FULL=1: all.
	@e2e/tools
	@$(sim) --seeds 2000 --bugs $(if $(FULL),100,2) --rotate $$(( $$(date +%s) / 86400 ))

.PHONY: show-sim-nodes
show-sim-nodes: ## Histories of three whole nodes and their clients in one thread: kills, power cuts, partitions, disks. FULL=1: 3,000; SEED=n prints one.
	@e2e/tools
ifdef SEED
	@$(sim) --nodes $(if $(BUG),--bug $(BUG)) --seed $(SEED) --trace
else ifdef FROM
	@$(sim) --nodes $(if $(BUG),--bug $(BUG)) --seeds $(if $(FULL),3000,300) --from $(FROM)
else
	@$(sim) --nodes $(if $(BUG),--bug $(BUG)) --seeds $(if $(FULL),2700,200)
# Others each day: what fails there is replayed by its seed.
	@$(sim) --nodes $(if $(BUG),--bug $(BUG)) --seeds $(if $(FULL),300,100) --from $$(( $$(date +%s) / 86400 * 1000 ))
endif

.PHONY: show-sim-nodes-bugs
show-sim-nodes-bugs: ## Bugs put into whole nodes on purpose: are they found? Two, another pair each day; FULL=1: all.
	@e2e/tools
	@$(sim) --nodes --seeds 1000 --bugs $(if $(FULL),100,2) --rotate $$(( $$(date +%s) / 86400 ))
