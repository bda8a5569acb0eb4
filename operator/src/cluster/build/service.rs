//! Services: host names for pods, the first connection, and a port on the machines per broker where that is asked for.

use crate::cluster::observe::Observed;
use crate::cluster::validate::{Resolved, ResolvedPool};
use crate::crd::kafka_cluster::{Listener, ListenerType};
use crate::k8s::{labels, names};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

/// The environment variable that holds the address of the machine that a pod runs on.
pub const HOST_ADDRESS: &str = "${env:HOST_IP}";

/// All Services of a cluster. They come before the pods: a pod's host name has to resolve from its first moment.
pub fn services(cluster: &Resolved, observed: &Observed) -> Vec<Service> {
    let mut services = vec![headless(cluster), bootstrap(cluster)];
    for listener in outside(cluster) {
        services.push(node_port(
            cluster,
            names::listener_service(&cluster.name, &listener.name),
            broker_selector(cluster),
            listener,
            bootstrap_port(cluster, listener, observed),
        ));
        for (id, pool) in cluster.brokers() {
            let mut service = node_port(
                cluster,
                names::broker_service(&cluster.name, &listener.name, id),
                BTreeMap::from([(labels::POD_NAME.to_owned(), pool.pod(id))]),
                listener,
                broker_port(cluster, listener, id, observed),
            );
            // A broker that is catching up may lead already: who was told its address has to reach it.
            service.spec.get_or_insert_default().publish_not_ready_addresses = Some(true);
            services.push(service);
        }
    }
    services
}

/// Services whose port on the machines Kubernetes has still to pick.
pub fn ports_pending(cluster: &Resolved, observed: &Observed) -> Vec<String> {
    let mut pending = Vec::new();
    for listener in outside(cluster) {
        for (id, _) in cluster.brokers() {
            if broker_port(cluster, listener, id, observed).is_none() {
                pending.push(names::broker_service(&cluster.name, &listener.name, id));
            }
        }
    }
    pending
}

/// host:port that a node tells clients of a listener. On a NodePort without a host of its own the host is `machine`.
pub fn advertised_address(
    cluster: &Resolved,
    listener: &Listener,
    id: i32,
    pool: &ResolvedPool,
    observed: &Observed,
    machine: &str,
) -> Option<String> {
    match listener.kind {
        ListenerType::Internal => Some(format!("{}:{}", cluster.host(id, pool), listener.port)),
        ListenerType::NodePort => {
            let port = broker_port(cluster, listener, id, observed)?;
            let host = listener.advertised_host.as_ref().map(|host| host.replace("{nodeId}", &id.to_string()));
            Some(address(host.as_deref().unwrap_or(machine), port))
        }
    }
}

/// host:port for the first connection; `None` while a NodePort or the machine is not known.
pub fn bootstrap_address(
    cluster: &Resolved,
    listener: &Listener,
    observed: &Observed,
    machine: Option<&str>,
) -> Option<String> {
    match listener.kind {
        ListenerType::Internal => {
            let service = names::bootstrap_service(&cluster.name);
            Some(format!("{service}.{}.svc.{}:{}", cluster.namespace, cluster.cluster_domain, listener.port))
        }
        ListenerType::NodePort => {
            let first = cluster.brokers().next().map(|(id, _)| id.to_string()).unwrap_or_default();
            let host = listener.advertised_host.as_ref().map(|host| host.replace("{nodeId}", &first));
            let port = bootstrap_port(cluster, listener, observed)?;
            host.as_deref().or(machine).map(|host| address(host, port))
        }
    }
}

fn address(host: &str, port: i32) -> String {
    if host.contains(':') && !host.starts_with('[') && !host.starts_with('$') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Clients are not sent to nodes that are controllers alone.
fn broker_selector(cluster: &Resolved) -> BTreeMap<String, String> {
    let mut selector = labels::cluster_selector(&cluster.name);
    if cluster.pools.iter().any(|pool| !pool.is_broker) {
        selector.insert(labels::BROKER.to_owned(), "true".to_owned());
    }
    selector
}

fn outside(cluster: &Resolved) -> impl Iterator<Item = &Listener> {
    cluster.listeners.iter().filter(|listener| listener.kind == ListenerType::NodePort)
}

/// The port that was picked once is kept: a Service that comes back with another port would need every broker restarted.
fn broker_port(cluster: &Resolved, listener: &Listener, id: i32, observed: &Observed) -> Option<i32> {
    let known = cluster.known_ports.get(&(listener.name.clone(), Some(id))).copied();
    known.or_else(|| live_port(observed, &names::broker_service(&cluster.name, &listener.name, id)))
}

fn bootstrap_port(cluster: &Resolved, listener: &Listener, observed: &Observed) -> Option<i32> {
    let known = || cluster.known_ports.get(&(listener.name.clone(), None)).copied();
    let live = || live_port(observed, &names::listener_service(&cluster.name, &listener.name));
    listener.node_port.or_else(known).or_else(live)
}

fn live_port(observed: &Observed, service: &str) -> Option<i32> {
    let ports = observed.services.get(service)?.spec.as_ref()?.ports.as_ref()?;
    ports.first()?.node_port.filter(|port| *port > 0)
}

fn headless(cluster: &Resolved) -> Service {
    let mut ports: Vec<ServicePort> = cluster.listeners.iter().map(|l| port(&l.name, l.port)).collect();
    ports.push(port(names::CONTROLLER_PORT_NAME, names::CONTROLLER_PORT));
    ports.push(port("admin", names::ADMIN_PORT));
    Service {
        metadata: super::of_cluster(cluster, names::headless_service(&cluster.name)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            // Brokers and voters have to find each other before they are ready.
            publish_not_ready_addresses: Some(true),
            selector: Some(labels::cluster_selector(&cluster.name)),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn bootstrap(cluster: &Resolved) -> Service {
    let inside = cluster.listeners.iter().filter(|listener| listener.kind == ListenerType::Internal);
    Service {
        metadata: super::of_cluster(cluster, names::bootstrap_service(&cluster.name)),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            selector: Some(broker_selector(cluster)),
            ports: Some(inside.map(|listener| port(&listener.name, listener.port)).collect()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn node_port(
    cluster: &Resolved,
    name: String,
    selector: BTreeMap<String, String>,
    listener: &Listener,
    number: Option<i32>,
) -> Service {
    Service {
        metadata: super::of_cluster(cluster, name),
        spec: Some(ServiceSpec {
            type_: Some("NodePort".to_owned()),
            selector: Some(selector),
            ports: Some(vec![ServicePort { node_port: number, ..port(&listener.name, listener.port) }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

fn port(name: &str, number: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::Int(number)),
        ..ServicePort::default()
    }
}
