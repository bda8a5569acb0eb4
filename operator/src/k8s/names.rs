//! Names of the objects behind a cluster, and the host names that follow from them. Kubernetes lets none of them be changed
//! later, so each is made in one place.

/// The port of the quorum's listener in the pods.
pub const CONTROLLER_PORT: i32 = 9093;
/// That port's name in Services and containers.
pub const CONTROLLER_PORT_NAME: &str = "controller";
/// The quorum's listener as brokers write it.
pub const CONTROLLER_LISTENER: &str = "CONTROLLER";
/// The port of `/metrics` and the probes in the pods.
pub const ADMIN_PORT: i32 = 9644;
/// The volume claim template; claims are called `data-POD`, as a StatefulSet names them.
pub const DATA_VOLUME: &str = "data";
/// The broker's container.
pub const BROKER_CONTAINER: &str = "broker";
/// The container that formats the volume of a node of a larger quorum before the broker starts.
pub const FORMAT_CONTAINER: &str = "format";
/// The variable that tells it which nodes it may format. It is part of the contract with the broker.
pub const FORMAT_NODES_VARIABLE: &str = "BARNABAS_FORMAT_NODE_IDS";

/// The StatefulSet of a pool; its pods are called `CLUSTER-POOL-ID`.
pub fn stateful_set(cluster: &str, pool: &str) -> String {
    format!("{cluster}-{pool}")
}

/// The pod of a node: the StatefulSet's ordinals begin at the pool's first node id.
pub fn pod(stateful_set: &str, node_id: i32) -> String {
    format!("{stateful_set}-{node_id}")
}

/// The claim of a pod.
pub fn claim(pod: &str) -> String {
    format!("{DATA_VOLUME}-{pod}")
}

/// The headless Service that gives each pod its host name.
pub fn headless_service(cluster: &str) -> String {
    format!("{cluster}-nodes")
}

/// The Service for the first connection from inside.
pub fn bootstrap_service(cluster: &str) -> String {
    format!("{cluster}-bootstrap")
}

/// The Service for the first connection through a listener from outside.
pub fn listener_service(cluster: &str, listener: &str) -> String {
    format!("{cluster}-{listener}-bootstrap")
}

/// The Service of one broker on a listener from outside.
pub fn broker_service(cluster: &str, listener: &str, node_id: i32) -> String {
    format!("{cluster}-{listener}-{node_id}")
}

/// The host name of a pod, fully qualified: resolvers need no search list for it.
pub fn pod_host(cluster: &str, pod: &str, namespace: &str, cluster_domain: &str) -> String {
    format!("{pod}.{}.{namespace}.svc.{cluster_domain}", headless_service(cluster))
}

/// A listener's name as brokers write it.
pub fn listener(name: &str) -> String {
    name.to_ascii_uppercase()
}
