# The quorum: its engine in scripts. Included by the root Makefile.

.PHONY: show-raft
show-raft: ## The quorum engine in text scripts: every role meets every message, and the scenarios of KIP-595, 853, 996 and 1186.
	@e2e/show-raft
