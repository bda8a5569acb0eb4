# What a disk may do to a log: cuts, damage, failures, power cuts. Included by the root Makefile. SEED=n repeats a run.

.PHONY: show-log-cuts show-log-faults
MUTATIONS ?= 20000
show-log-cuts: ## Every file of a partition cut at each byte, and 20,000 damaged directories: served as written or not at all. MUTATIONS=n.
	@e2e/power/damage cuts --mutations $(MUTATIONS) $(if $(SEED),--seed $(SEED))
show-log-faults: ## Every call of a log to its disk fails in turn (EIO, ENOSPC, short, torn, killed, power cut): said, and nothing durable lost.
	@e2e/power/damage faults

# Sizes: CI's by default, FULL=1 for the numbers that a finished piece of work must show.
POWER_CUTS ?= $(if $(FULL),200,20)
.PHONY: show-power-cut
show-power-cut: ## Power cuts under load on ext4 and XFS: every acknowledged record is there, in order, once. Needs loop devices, else SKIPPED.
	@e2e/power/run --cuts $(POWER_CUTS) $(if $(SEED),--seed $(SEED))
