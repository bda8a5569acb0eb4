# The flight recorder: what a core was told last, played once more. Included by the root Makefile.
.PHONY: show-replay
show-replay: ## Three nodes hand out what quorum engine, replicas and group coordinators were told last, one is killed meanwhile; `barnabas replay` plays it.
	@e2e/tools
	@e2e/replay/run
