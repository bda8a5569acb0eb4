//! The pod template of a pool: one for all its nodes. What belongs to one node reaches it by its host name (the node id), by
//! the file of its id, and by the downward API (its machine's address).

use super::Format;
use super::config_map::{CONFIG_VOLUME, NODES_VOLUME, SERVER_FILE};
use crate::cluster::error::ClusterError;
use crate::cluster::template;
use crate::cluster::validate::{Resolved, ResolvedPool};
use crate::crd::kafka_cluster::{ImagePullPolicy, Resources};
use crate::crd::schema::Scalar;
use crate::k8s::{desired, labels, names};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction,
    ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements, SeccompProfile,
    SecurityContext, TopologySpreadConstraint, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ObjectMeta;
use std::collections::BTreeMap;

/// Files that the broker reads.
const CONFIG_FILE: &str = "/etc/barnabas/server.properties";
const NODES_DIRECTORY: &str = "/etc/barnabas/nodes";
const NODE_FILE: &str = "/etc/barnabas/nodes/{node.id}.properties";
/// The volume's mount point.
const DATA_DIRECTORY: &str = "/var/lib/kafka/data";
/// The user of the image that is not root.
const NOBODY: i64 = 65532;
/// From SIGTERM to SIGKILL, where the user's template says nothing else.
const GRACE_SECONDS: i64 = 120;
/// What of it a broker needs to hand over what it leads (30 s at most) and to close its logs. The rest it may stay while others need it.
const LEAVING_SECONDS: i64 = 60;
/// Recovery of a large log may take hours, and killing the broker would only begin it again.
const STARTUP_TRIES: i32 = 86_400;

/// The ConfigMaps that pods mount.
#[derive(Clone, Debug)]
pub struct ConfigMaps {
    /// The shared configuration.
    pub server: String,
    /// The facts of all nodes.
    pub nodes: String,
}

/// The template, and the digest of all in it that needs a restart when it changes. Left out of the digest: the name of the
/// nodes' ConfigMap, which changes with every other node, and whether an empty volume may be formatted, which a running
/// node does not care about.
///
/// # Errors
/// The template cannot be written as JSON.
pub fn template(
    cluster: &Resolved,
    pool: &ResolvedPool,
    config_maps: &ConfigMaps,
    format: Format,
) -> Result<(PodTemplateSpec, String), ClusterError> {
    let neutral = ConfigMaps { nodes: String::new(), ..config_maps.clone() };
    let value = serde_json::to_value(merged(cluster, pool, &neutral, None))
        .map_err(|source| ClusterError::Build { object: "PodTemplateSpec", source })?;
    let digest = desired::digest(&value);
    let mut template = merged(cluster, pool, config_maps, Some(format));
    let metadata = template.metadata.get_or_insert_default();
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(labels::POD_DIGEST.to_owned(), digest.clone());
    annotations.insert(labels::FORMAT.to_owned(), format.name().to_owned());
    if formats_others(format) {
        annotations.insert(labels::FORMAT_NODES.to_owned(), ids_to_format(cluster, pool));
    }
    Ok((template, digest))
}

fn merged(
    cluster: &Resolved,
    pool: &ResolvedPool,
    config_maps: &ConfigMaps,
    format: Option<Format>,
) -> PodTemplateSpec {
    let mut base = PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(pod_labels(cluster, pool)), ..ObjectMeta::default() }),
        spec: Some(PodSpec {
            init_containers: format
                .and_then(|format| formatter(cluster, pool, format))
                .map(|container| vec![container]),
            containers: vec![broker(cluster, pool, format)],
            volumes: Some(vec![
                config_volume(CONFIG_VOLUME, &config_maps.server),
                config_volume(NODES_VOLUME, &config_maps.nodes),
            ]),
            service_account_name: Some(cluster.name.clone()),
            automount_service_account_token: Some(false),
            // A Service called kafka would inject KAFKA_PORT and the like, which brokers read as configuration.
            enable_service_links: Some(false),
            security_context: Some(PodSecurityContext {
                run_as_non_root: Some(true),
                run_as_user: Some(NOBODY),
                run_as_group: Some(NOBODY),
                fs_group: Some(NOBODY),
                // Changing the owner of every file of a large volume would take longer than the broker's start.
                fs_group_change_policy: Some("OnRootMismatch".to_owned()),
                seccomp_profile: Some(SeccompProfile {
                    type_: "RuntimeDefault".to_owned(),
                    ..SeccompProfile::default()
                }),
                ..PodSecurityContext::default()
            }),
            topology_spread_constraints: Some(vec![
                spread(cluster, pool, "kubernetes.io/hostname"),
                spread(cluster, pool, "topology.kubernetes.io/zone"),
            ]),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            ..PodSpec::default()
        }),
    };
    if let Some(user) = &pool.template {
        template::merge(&mut base, user);
    }
    base
}

/// For how long a broker of this pool may stay that is told to stop, before Kubernetes would kill it in the middle of leaving.
pub fn staying_ms(pool: &ResolvedPool) -> i64 {
    let spec = pool.template.as_ref().and_then(|template| template.spec.as_ref());
    let grace = spec.and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(GRACE_SECONDS);
    grace.saturating_sub(LEAVING_SECONDS).max(0).saturating_mul(1000)
}

fn pod_labels(cluster: &Resolved, pool: &ResolvedPool) -> BTreeMap<String, String> {
    let mut labels = labels::of_pool(&cluster.name, &pool.name);
    if !cluster.is_lone() {
        labels.insert(labels::BROKER.to_owned(), pool.is_broker.to_string());
    }
    labels
}

/// Whether a container of its own formats volumes.
fn formats_others(format: Format) -> bool {
    matches!(format, Format::InitialControllers | Format::NoInitialControllers)
}

/// All pods of a pool share their template: one that is new must not open the volumes of the others.
fn ids_to_format(cluster: &Resolved, pool: &ResolvedPool) -> String {
    pool.unformed(&cluster.formed).iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Formats an empty volume before the broker starts, that of a node that may begin with one, and leaves any other as it is. A lone node does
/// so by itself. The nodes are named in a variable, not in an argument, of which a broker of an earlier release would not start.
fn formatter(cluster: &Resolved, pool: &ResolvedPool, format: Format) -> Option<Container> {
    let how = match format {
        Format::IfEmpty | Format::Never => return None,
        Format::InitialControllers => format!("--initial-controllers={}", initial_controllers(cluster)),
        Format::NoInitialControllers => "--no-initial-controllers".to_owned(),
    };
    let cluster_id = format!("--cluster-id={}", cluster.cluster_id);
    let args = [
        "storage",
        "format",
        "--config",
        CONFIG_FILE,
        "--include",
        NODE_FILE,
        "--node-id-from-hostname",
        "--ignore-formatted",
        &cluster_id,
        &how,
    ];
    let mut container = container(cluster, pool);
    container.env.get_or_insert_default().push(EnvVar {
        name: names::FORMAT_NODES_VARIABLE.to_owned(),
        value: Some(ids_to_format(cluster, pool)),
        ..EnvVar::default()
    });
    Some(Container {
        name: names::FORMAT_CONTAINER.to_owned(),
        args: Some(args.iter().map(|arg| (*arg).to_owned()).collect()),
        ..container
    })
}

/// As `kafka-storage` takes them: `id@host:port:directory`, with host names that stay.
fn initial_controllers(cluster: &Resolved) -> String {
    let written = |(id, pool): (i32, &ResolvedPool)| {
        let initial = cluster.initial_controllers.iter().find(|controller| controller.id == id)?;
        Some(format!("{id}@{}:{}:{}", cluster.host(id, pool), names::CONTROLLER_PORT, initial.directory_id))
    };
    cluster.controllers().filter_map(written).collect::<Vec<_>>().join(",")
}

/// What all containers of ours have in common.
fn container(cluster: &Resolved, pool: &ResolvedPool) -> Container {
    Container {
        image: Some(cluster.image.clone()),
        image_pull_policy: Some(pull_policy(cluster.image_pull_policy).to_owned()),
        env: Some(vec![from_pod("POD_NAME", "metadata.name"), from_pod("HOST_IP", "status.hostIP")]),
        resources: pool.resources.as_ref().map(requirements),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() }),
            ..SecurityContext::default()
        }),
        // What refuses its configuration says why on its last line; this carries it into the cluster's status.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(vec![
            VolumeMount { sub_path: Some(SERVER_FILE.to_owned()), ..mount(CONFIG_VOLUME, CONFIG_FILE, true) },
            mount(NODES_VOLUME, NODES_DIRECTORY, true),
            mount(names::DATA_VOLUME, DATA_DIRECTORY, false),
        ]),
        ..Container::default()
    }
}

/// `format` is left out where only what a restart is due for counts.
fn broker(cluster: &Resolved, pool: &ResolvedPool, format: Option<Format>) -> Container {
    let policy = match format {
        Some(Format::IfEmpty) => "if-empty",
        Some(_) => "never",
        None if cluster.is_lone() => "",
        None => "never",
    };
    let args = [
        "server",
        CONFIG_FILE,
        "--strict",
        "--include",
        NODE_FILE,
        "--node-id-from-hostname",
        "--format",
        policy,
        "--cluster-id",
        &cluster.cluster_id,
    ];
    let served = cluster.listeners.iter().filter(|_| pool.is_broker);
    let mut ports: Vec<ContainerPort> = served.map(|l| port(&l.name, l.port)).collect();
    if pool.is_controller {
        ports.push(port(names::CONTROLLER_PORT_NAME, names::CONTROLLER_PORT));
    }
    ports.push(port("admin", names::ADMIN_PORT));
    Container {
        name: names::BROKER_CONTAINER.to_owned(),
        args: Some(args.iter().map(|arg| (*arg).to_owned()).collect()),
        ports: Some(ports),
        startup_probe: Some(probe("/startupz", 1, STARTUP_TRIES)),
        readiness_probe: Some(probe("/readyz", 5, 3)),
        liveness_probe: Some(probe("/livez", 10, 6)),
        ..container(cluster, pool)
    }
}

fn pull_policy(policy: ImagePullPolicy) -> &'static str {
    match policy {
        ImagePullPolicy::Always => "Always",
        ImagePullPolicy::IfNotPresent => "IfNotPresent",
        ImagePullPolicy::Never => "Never",
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn mount(volume: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn config_volume(volume: &str, config_map: &str) -> Volume {
    Volume {
        name: volume.to_owned(),
        config_map: Some(ConfigMapVolumeSource { name: config_map.to_owned(), ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    }
}

fn from_pod(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector { api_version: Some("v1".to_owned()), field_path: path.to_owned() }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}

fn probe(path: &str, period_seconds: i32, failure_threshold: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("admin".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(5),
        failure_threshold: Some(failure_threshold),
        ..Probe::default()
    }
}

/// Nodes of a pool do the same, so that they are kept apart from each other.
fn spread(cluster: &Resolved, pool: &ResolvedPool, topology_key: &str) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        max_skew: 1,
        topology_key: topology_key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector {
            match_labels: Some(if cluster.is_lone() {
                labels::cluster_selector(&cluster.name)
            } else {
                labels::pool_selector(&cluster.name, &pool.name)
            }),
            ..LabelSelector::default()
        }),
        ..TopologySpreadConstraint::default()
    }
}

fn requirements(resources: &Resources) -> ResourceRequirements {
    let quantities = |amounts: &BTreeMap<String, Scalar>| {
        (!amounts.is_empty())
            .then(|| amounts.iter().map(|(name, amount)| (name.clone(), Quantity(amount.to_string()))).collect())
    };
    ResourceRequirements {
        requests: quantities(&resources.requests),
        limits: quantities(&resources.limits),
        ..ResourceRequirements::default()
    }
}
