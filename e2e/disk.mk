# What disks do to a broker. Included by the root Makefile.
.PHONY: show-disk
show-disk: ## A full, an overcommitted, a hanging and a missing disk under a real broker: what it refuses, what goes on, and how it comes back
	@e2e/disk/run
