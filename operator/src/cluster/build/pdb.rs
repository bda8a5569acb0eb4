//! The disruption budget: evictions take one broker at a time, over all pools.

use crate::cluster::validate::Resolved;
use crate::k8s::labels;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// A pod that is not ready may always be evicted: holding it would block the drain of a broken machine.
pub fn pod_disruption_budget(cluster: &Resolved) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: super::of_cluster(cluster, cluster.name.clone()),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector {
                match_labels: Some(labels::cluster_selector(&cluster.name)),
                ..LabelSelector::default()
            }),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}
