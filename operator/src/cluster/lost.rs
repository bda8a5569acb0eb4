//! Nodes whose data is gone: they were formed, are not ready, and have another claim than the one that held their data, or a
//! broker that says that it found nothing. Says so and decides nothing.

use crate::cluster::observe::{Observed, is_ready, last_words};
use crate::cluster::validate::ResolvedPool;
use crate::crd::kafka_cluster::FormedNode;
use crate::k8s::names;
use kube::ResourceExt as _;

/// What a broker says that was told never to format, and found nothing. It is part of the contract with the broker.
const BROKER_FOUND_NO_DATA: &str = "data is missing";

/// A node whose data is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The node.
    pub id: i32,
    /// Its claim's name.
    pub claim: String,
    /// The uid of a claim that took the place of the one with the data.
    pub replaced_by: Option<String>,
}

/// Whether the data of this node is gone. `formed` is what was recorded of it.
pub fn lost(formed: &FormedNode, pool: &ResolvedPool, observed: &Observed) -> Option<Lost> {
    let id = formed.id;
    let pod = observed.pod(&pool.stateful_set, &pool.pod(id));
    if pod.is_some_and(is_ready) {
        return None;
    }
    let uid = observed.claim_of_node(id).and_then(|claim| claim.uid());
    let replaced = uid.as_deref() != Some(formed.claim_uid.as_str());
    let found_nothing = pod.and_then(last_words).is_some_and(|words| words.contains(BROKER_FOUND_NO_DATA));
    (replaced || found_nothing).then(|| Lost {
        id,
        claim: names::claim(&pool.pod(id)),
        replaced_by: uid.filter(|_| replaced),
    })
}
