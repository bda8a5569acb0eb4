# Many partitions that nobody uses. Included by the root Makefile.
IDLE_PARTITIONS := $(if $(FULL),100000,10000)

.PHONY: show-idle-partitions
show-idle-partitions: ## What partitions cost that nobody uses: heap, open files, start. FULL=1 for 100,000.
	e2e/tools && e2e/idle/run --partitions $(IDLE_PARTITIONS)
