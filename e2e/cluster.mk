# A Kubernetes to work on. Included by the root Makefile. BARNABAS_CLUSTER=name keeps several apart.
.PHONY: cluster cluster-env cluster-status
cluster: ## Only the Kubernetes: kind where a Docker engine answers, else a local node. YES=1 does not ask.
	@e2e/cluster/up $(if $(YES),--yes)

cluster-env: ## Lines for `eval "$(make -s cluster-env)"`: KUBECONFIG and the PATH of kubectl and helm.
	@e2e/cluster/status --env

cluster-status: ## Whether the cluster is up, and how to reach it.
	@e2e/cluster/status

.PHONY: up down
up: ## From nothing to a Kafka cluster on Kubernetes that serves. YES=1 does not ask.
	@e2e/up $(if $(YES),--yes)

down: ## Takes away what `make up` and `make cluster` brought.
	@e2e/cluster/down

# Each case on the real Kubernetes, one alone: make show-e2e-topic-changed. KEEP=1 leaves the Kubernetes for a look.
cases := install spec-refused clients pod-deleted data-missing objects-restored topic-changed steady quorum quorum-dedicated replicated namespace-deleted operator-uninstalled
.PHONY: show-e2e $(cases:%=show-e2e-%)
show-e2e: ## All cases on a real Kubernetes of their own; install, clients, pod-deleted … alone as show-e2e-<case>.
	@e2e/cases/run
$(cases:%=show-e2e-%): show-e2e-%:
	@e2e/cases/run $*

.PHONY: show-quorum-kubernetes
show-quorum-kubernetes: ## Quorums of three and five on a real Kubernetes: formed, pods and volumes lost, grown and shrunk.
	@e2e/cases/run quorum quorum-dedicated

.PHONY: show-replication-kubernetes
show-replication-kubernetes: ## Pods evicted, deleted, killed and rolled, and a volume lost, under a producer: no record lost, one broker at a time.
	@e2e/cases/run replicated

.PHONY: show-images
show-images: ## The released images of broker and operator, built and weighed: at most 20 MiB each.
	@cargo build --locked --profile dist -p barnabas -p barnabas-operator
	@set -o pipefail; IMAGE_LIMIT_BYTES=20971520 e2e/images/build $(CARGO_TARGET_DIR)/$(shell uname -m)-unknown-linux-gnu/dist \
		| while read -r what name archive; do printf '%-16s %9d bytes  %s\n' $$what $$(stat -c %s $$archive) $$name; done
	@echo "PASS images"
