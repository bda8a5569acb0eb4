# A Kubernetes to work on. Included by the root Makefile. BARNABAS_CLUSTER=name keeps several apart.
.PHONY: cluster cluster-env cluster-status
cluster: ## Only the Kubernetes: kind where a Docker engine answers, else a local node. YES=1 does not ask.
	@e2e/cluster/up $(if $(YES),--yes)

cluster-env: ## Lines for `eval $$(make -s cluster-env)`: KUBECONFIG and the PATH of kubectl and helm.
	@e2e/cluster/status --env

cluster-status: ## Whether the cluster is up, and how to reach it.
	@e2e/cluster/status
