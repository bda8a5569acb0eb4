//! The StatefulSet of a pool. What Kubernetes lets nobody change later (selector, serviceName, pod management, ordinals) is
//! decided here once; the operator restarts pods itself.

use super::claim::claim_template;
use crate::cluster::observe::Observed;
use crate::cluster::validate::{Resolved, ResolvedPool};
use crate::k8s::{labels, names};
use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetOrdinals, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
    StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Pods of a pool: ordinals are node ids.
pub fn stateful_set(
    cluster: &Resolved,
    pool: &ResolvedPool,
    template: PodTemplateSpec,
    observed: &Observed,
) -> StatefulSet {
    let live = observed.stateful_sets.get(&pool.stateful_set).and_then(|set| set.spec.as_ref());
    let live_claim = live.and_then(|spec| spec.volume_claim_templates.as_ref()).and_then(|claims| claims.first());
    StatefulSet {
        metadata: super::owned(cluster, pool.stateful_set.clone(), labels::of_pool(&cluster.name, &pool.name)),
        spec: Some(StatefulSetSpec {
            replicas: Some(pool.replicas),
            ordinals: Some(StatefulSetOrdinals { start: Some(pool.first_node_id) }),
            service_name: Some(names::headless_service(&cluster.name)),
            selector: LabelSelector {
                match_labels: Some(labels::pool_selector(&cluster.name, &pool.name)),
                ..LabelSelector::default()
            },
            // A quorum comes up only when its voters come up together.
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                ..StatefulSetUpdateStrategy::default()
            }),
            persistent_volume_claim_retention_policy: Some(StatefulSetPersistentVolumeClaimRetentionPolicy {
                when_deleted: Some("Retain".to_owned()),
                when_scaled: Some("Retain".to_owned()),
            }),
            revision_history_limit: Some(3),
            volume_claim_templates: Some(vec![claim_template(&pool.storage, live_claim)]),
            template,
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}
