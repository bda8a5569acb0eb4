//! The disruption budget: evictions take one node at a time, over all pools. A broker that has just started is ready once it has caught
//! up, so that the budget holds without a running operator.

use crate::cluster::validate::Resolved;
use crate::k8s::labels;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// A pod that is not ready may be evicted while every other one is ready, so that a broken machine can be drained. While another one is
/// away it may hold what no third one has in sync. A lone one is always let go.
pub fn pod_disruption_budget(cluster: &Resolved) -> PodDisruptionBudget {
    let policy = if cluster.is_lone() { "AlwaysAllow" } else { "IfHealthyBudget" };
    PodDisruptionBudget {
        metadata: super::of_cluster(cluster, cluster.name.clone()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector {
                match_labels: Some(labels::cluster_selector(&cluster.name)),
                ..LabelSelector::default()
            }),
            unhealthy_pod_eviction_policy: Some(policy.to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}
