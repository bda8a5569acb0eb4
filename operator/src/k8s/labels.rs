//! Labels and annotations of this operator. `app.kubernetes.io/instance` is not among them: deployment tools track their own
//! objects by it and would prune ours.

use kube::ResourceExt;
use std::collections::BTreeMap;

/// Says that this operator looks after the object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`].
pub const OPERATOR: &str = "barnabas-operator";
/// The KafkaCluster that the object belongs to.
pub const CLUSTER: &str = "barnabas.dev/cluster";
/// The pool that the object belongs to.
pub const POOL: &str = "barnabas.dev/pool";
/// On the pods of a larger quorum: `true` where the node is a broker.
pub const BROKER: &str = "barnabas.dev/broker";
/// What StatefulSets write on their pods.
pub const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";

/// A digest of what was applied last: a field that we stopped setting is noticed by it.
pub const APPLIED: &str = "barnabas.dev/applied";
/// A digest of all in a pod that needs a restart when it changes.
pub const POD_DIGEST: &str = "barnabas.dev/pod-digest";
/// How the pod may format an empty volume: `if-empty`, `initial-controllers`, `no-initial-controllers` or `never`.
pub const FORMAT: &str = "barnabas.dev/format";
/// Beside [`FORMAT`]: the nodes that may do so, by id. A pod of an earlier release has none, and any of its pool may.
pub const FORMAT_NODES: &str = "barnabas.dev/format-nodes";
/// On a claim: the id of the cluster whose data it holds.
pub const CLUSTER_ID: &str = "barnabas.dev/cluster-id";
/// On a claim: `true` once a node was ready on it.
pub const FORMED: &str = "barnabas.dev/formed";
/// On a KafkaCluster: the uid of an empty claim that may be formatted though the node had been formed.
pub const ALLOW_FORMAT: &str = "barnabas.dev/allow-format";
/// On any resource of this group: `true` stops all changes; the status is still refreshed. A Topic that is deleted meanwhile keeps its topic,
/// and stays until it is paused no more.
pub const PAUSE: &str = "barnabas.dev/pause-reconciliation";
/// What `kubectl rollout restart` writes into a pod template.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
/// On a Topic with deletionPolicy Delete.
pub const TOPIC_FINALIZER: &str = "barnabas.dev/delete-topic";

/// Whether the user has said that nothing is to be changed.
pub fn is_paused<K: ResourceExt>(resource: &K) -> bool {
    resource.annotations().get(PAUSE).is_some_and(|value| value == "true")
}

/// The labels of everything that belongs to a cluster.
pub fn of_cluster(cluster: &str) -> BTreeMap<String, String> {
    [("app.kubernetes.io/name", "barnabas"), (MANAGED_BY, OPERATOR), (CLUSTER, cluster)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The labels of what belongs to one pool.
pub fn of_pool(cluster: &str, pool: &str) -> BTreeMap<String, String> {
    let mut labels = of_cluster(cluster);
    labels.insert(POOL.to_owned(), pool.to_owned());
    labels
}

/// What selects every pod of a cluster.
pub fn cluster_selector(cluster: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(CLUSTER.to_owned(), cluster.to_owned())])
}

/// What selects the pods of a pool. A StatefulSet's selector cannot be changed, so it is as small as it can be.
pub fn pool_selector(cluster: &str, pool: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(CLUSTER.to_owned(), cluster.to_owned()), (POOL.to_owned(), pool.to_owned())])
}

/// A selector as text, for list requests and for `status.labelSelector`.
pub fn selector_text(selector: &BTreeMap<String, String>) -> String {
    selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}
