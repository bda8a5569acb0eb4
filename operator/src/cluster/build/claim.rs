//! Volume claims, made by the operator under the names that a StatefulSet gives them: the template in a StatefulSet cannot
//! change, a claim can grow.

use crate::cluster::observe::Observed;
use crate::cluster::validate::{Resolved, ResolvedPool};
use crate::crd::kafka_cluster::Storage;
use crate::k8s::{labels, names, quantity};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt as _;
use kube::api::ObjectMeta;
use std::collections::BTreeMap;

/// The claim of a node. It outlives the KafkaCluster unless the spec says otherwise.
pub fn claim(cluster: &Resolved, pool: &ResolvedPool, id: i32, observed: &Observed) -> PersistentVolumeClaim {
    let name = names::claim(&pool.pod(id));
    let found = observed.claims.get(&name);
    let live = found.and_then(|claim| claim.spec.as_ref());
    let mut annotations = BTreeMap::from([(labels::CLUSTER_ID.to_owned(), cluster.cluster_id.clone())]);
    let holds_data = |claim: &PersistentVolumeClaim| {
        claim.annotations().get(labels::FORMED).is_some_and(|formed| formed == "true")
            || claim.uid().is_some_and(|uid| cluster.formed_claims.contains(&uid))
    };
    if found.is_some_and(holds_data) {
        annotations.insert(labels::FORMED.to_owned(), "true".to_owned());
    }
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            annotations: Some(annotations),
            owner_references: pool.storage.delete_claim.then(|| vec![cluster.owner.clone()]),
            ..super::owned(cluster, name, labels::of_pool(&cluster.name, &pool.name))
        },
        spec: Some(spec(
            &size(&pool.storage, live),
            live.map_or_else(|| pool.storage.storage_class_name.clone(), |live| live.storage_class_name.clone()),
        )),
        ..PersistentVolumeClaim::default()
    }
}

/// The template in the StatefulSet: what it was at first, because it cannot be changed.
pub fn claim_template(storage: &Storage, live: Option<&PersistentVolumeClaim>) -> PersistentVolumeClaim {
    let live = live.and_then(|claim| claim.spec.as_ref());
    let size = live.and_then(requested).unwrap_or_else(|| storage.size.clone());
    let class = live.map_or_else(|| storage.storage_class_name.clone(), |live| live.storage_class_name.clone());
    PersistentVolumeClaim {
        metadata: ObjectMeta { name: Some(names::DATA_VOLUME.to_owned()), ..ObjectMeta::default() },
        spec: Some(spec(&size, class)),
        ..PersistentVolumeClaim::default()
    }
}

/// A volume that is larger than asked for stays as it is: volumes cannot shrink.
fn size(storage: &Storage, live: Option<&PersistentVolumeClaimSpec>) -> String {
    match live.and_then(requested) {
        Some(live) if quantity::parse(&live) >= quantity::parse(&storage.size) => live,
        _ => storage.size.clone(),
    }
}

fn requested(spec: &PersistentVolumeClaimSpec) -> Option<String> {
    let requests = spec.resources.as_ref()?.requests.as_ref()?;
    requests.get("storage").map(|quantity| quantity.0.clone())
}

fn spec(size: &str, storage_class_name: Option<String>) -> PersistentVolumeClaimSpec {
    PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
        resources: Some(VolumeResourceRequirements {
            requests: Some(BTreeMap::from([("storage".to_owned(), Quantity(size.to_owned()))])),
            ..VolumeResourceRequirements::default()
        }),
        storage_class_name,
        ..PersistentVolumeClaimSpec::default()
    }
}
