//! What several settings say together: which node this is, alone or in which quorum, where it listens and where its data
//! lies. Refuses what this release does not serve: TLS, SASL and authorisation.

use std::collections::BTreeSet;
use std::path::PathBuf;

use barnabas_client::address;
use barnabas_types::BrokerId;

use super::quorum::{self, CONTROLLER_PORT, Quorum};
use super::{Checked, ConfigError, HostFacts, Warning};
use crate::config::broker::{BrokerConfig, Derived};
use crate::config::keys::RemovedEffect;
use crate::config::listeners::{Listener, ProtocolMap, SecurityProtocol, default_protocol_map, parse};
use crate::config::settings::{Origin, Settings};

/// What removed keys still say.
#[derive(Default)]
pub(super) struct Leftovers {
    advertised_host: Option<String>,
    advertised_port: Option<String>,
    listen_host: Option<String>,
    listen_port: Option<String>,
    pub(super) zookeeper_connect: Option<String>,
}

impl Leftovers {
    pub(super) fn take(&mut self, effect: RemovedEffect, value: &str) {
        let place = match effect {
            RemovedEffect::Ignored => return,
            RemovedEffect::AdvertisedHost => &mut self.advertised_host,
            RemovedEffect::AdvertisedPort => &mut self.advertised_port,
            RemovedEffect::ListenHost => &mut self.listen_host,
            RemovedEffect::ListenPort => &mut self.listen_port,
            RemovedEffect::StandAlone => &mut self.zookeeper_connect,
        };
        let value = value.trim();
        *place = (!value.is_empty()).then(|| value.to_owned());
    }
}

const CLIENT_PORT: &str = "9092";

pub(super) fn resolve(checked: &mut Checked, host: &HostFacts) -> Result<(BrokerConfig, Settings), ConfigError> {
    let mut settings = std::mem::take(&mut checked.settings);
    refuse_unserved(&settings)?;
    let log_dirs = resolve_log_dirs(&mut settings, host, &mut checked.warnings)?;
    let quorum = quorum::resolve(&mut settings, checked, host, &log_dirs)?;
    let node_id = quorum.node_id.map(BrokerId);
    if let Some(id) = node_id {
        settings.set("broker.id", id.to_string(), Origin::Derived("another name for node.id"));
    }
    let bound = resolve_listeners(&mut settings, &checked.leftovers, &quorum, host)?;
    let derived = Derived {
        node_id,
        inter_broker_listener_name: inter_broker_listener(&settings, &bound.listeners)?,
        advertised_controller_listeners: quorum.advertise(node_id, &bound.advertised_controllers, host),
        listeners: bound.listeners,
        controller_listeners: bound.controller_listeners,
        advertised_listeners: bound.advertised_listeners,
        roles: quorum.roles,
        controller_listener_name: bound.controller_listener_name,
        quorum_voters: quorum.voters,
        quorum_bootstrap_servers: quorum.bootstrap_servers,
        cordoned_log_dirs: resolve_cordoned_log_dirs(&settings, &log_dirs)?,
        log_dirs,
    };
    Ok((BrokerConfig::read(&settings, derived)?, settings))
}

/// Refuses what would be dangerous to pass over in silence.
fn refuse_unserved(settings: &Settings) -> Result<(), ConfigError> {
    if let Some(class) = settings.explicit("authorizer.class.name").filter(|class| !class.is_empty()) {
        let reason = "this release enforces no ACLs: remove the key, and keep the listeners away from strangers";
        return Err(ConfigError::invalid("authorizer.class.name", class, reason));
    }
    if settings.explicit("remote.log.storage.system.enable") == Some("true") {
        let reason = "this release has no tiered storage: must be false";
        return Err(ConfigError::invalid("remote.log.storage.system.enable", "true", reason));
    }
    Ok(())
}

struct Bound {
    listeners: Vec<Listener>,
    controller_listeners: Vec<Listener>,
    advertised_listeners: Vec<Listener>,
    /// As they are bound, where `advertised.listeners` does not name them.
    advertised_controllers: Vec<Listener>,
    controller_listener_name: Option<String>,
}

fn resolve_listeners(
    settings: &mut Settings,
    leftovers: &Leftovers,
    quorum: &Quorum,
    host: &HostFacts,
) -> Result<Bound, ConfigError> {
    let controller_names: Vec<String> =
        settings.read::<Option<Vec<String>>>("controller.listener.names")?.unwrap_or_default();
    let controller_names: Vec<String> = controller_names.iter().map(|name| name.to_uppercase()).collect();
    let map = settings.effective("listener.security.protocol.map").unwrap_or(default_protocol_map());
    let protocols = ProtocolMap::parse(map, &controller_names)?;
    let advertised = settings.explicit("advertised.listeners");
    let advertised = advertised.map(|value| parse("advertised.listeners", value, &protocols)).transpose()?;

    let all = match settings.explicit("listeners") {
        Some(value) => parse("listeners", value, &protocols)?,
        None => unset_listeners(leftovers, advertised.as_deref(), quorum, &controller_names, &protocols)?,
    };
    if let Some(listener) = all.iter().find(|listener| listener.protocol != SecurityProtocol::Plaintext) {
        let reason =
            format!("listener {} is {}, this release serves PLAINTEXT only", listener.name, listener.protocol.name());
        return Err(ConfigError::invalid("listener.security.protocol.map", map, &reason));
    }
    if settings.get("listeners").is_none() {
        settings.set("listeners", written(&all), Origin::Derived("advertised.listeners, or Kafka's default port"));
    }
    let (controller_listeners, listeners): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|listener| controller_names.contains(&listener.name));
    quorum.check_listeners(settings, &controller_names, &controller_listeners, &listeners)?;
    let of_quorum = |listener: &Listener| controller_names.contains(&listener.name);
    let named = advertised.iter().flatten().filter(|listener| of_quorum(listener));
    let mut advertised_controllers = controller_listeners.clone();
    for listener in named {
        advertised_controllers
            .iter_mut()
            .filter(|one| one.name == listener.name)
            .for_each(|one| *one = listener.clone());
    }
    let advertised_listeners = match quorum.roles.broker {
        true => advertise(advertised, &listeners, &controller_names, leftovers, host)?,
        false => Vec::new(),
    };
    let controller_listener_name = controller_names.into_iter().next();
    Ok(Bound {
        listeners,
        controller_listeners,
        advertised_listeners,
        advertised_controllers,
        controller_listener_name,
    })
}

/// Listeners where none are set: as advertised, else as the old keys say, else Kafka's default port; and the quorum's.
fn unset_listeners(
    leftovers: &Leftovers,
    advertised: Option<&[Listener]>,
    quorum: &Quorum,
    controller_names: &[String],
    protocols: &ProtocolMap,
) -> Result<Vec<Listener>, ConfigError> {
    let mut listeners = match advertised {
        _ if !quorum.roles.broker => Vec::new(),
        Some(advertised) => {
            advertised.iter().map(|listener| Listener { host: String::new(), ..listener.clone() }).collect()
        }
        None => {
            let host = leftovers.listen_host.as_deref().unwrap_or_default();
            let port = leftovers.listen_port.as_deref().unwrap_or(CLIENT_PORT);
            parse("listeners", &format!("PLAINTEXT://{host}:{port}"), protocols)?
        }
    };
    for name in controller_names.iter().filter(|_| quorum.roles.controller) {
        if !listeners.iter().any(|listener| listener.name == *name) {
            let protocol = protocols.get(name).unwrap_or(SecurityProtocol::Plaintext);
            let port = quorum.voters.first().map_or(CONTROLLER_PORT, |voter| voter.port);
            listeners.push(Listener { name: name.clone(), protocol, host: String::new(), port });
        }
    }
    Ok(listeners)
}

/// What clients are told of each of `listeners`.
fn advertise(
    advertised: Option<Vec<Listener>>,
    listeners: &[Listener],
    controller_names: &[String],
    leftovers: &Leftovers,
    host: &HostFacts,
) -> Result<Vec<Listener>, ConfigError> {
    let mut advertised = advertised.unwrap_or_else(|| listeners.to_vec());
    advertised.retain(|listener| !controller_names.contains(&listener.name));
    if let Some(stray) = advertised.iter().find(|listener| !listeners.iter().any(|bound| bound.name == listener.name)) {
        let reason = format!("listeners has no {}: nobody would answer there", stray.name);
        return Err(ConfigError::invalid("advertised.listeners", &written(&advertised), &reason));
    }
    // The old keys knew one listener, which is the first.
    if let Some(first) = advertised.first_mut() {
        if let Some(host) = &leftovers.advertised_host {
            first.host.clone_from(host);
        }
        if let Some(port) = &leftovers.advertised_port {
            let wrong = |_| ConfigError::invalid("advertised.port", port, "must be a port from 0 to 65535");
            first.port = port.parse().map_err(wrong)?;
        }
    }
    for listener in &mut advertised {
        if listener.host.is_empty() {
            listener.host.clone_from(&host.host_name);
        }
        if matches!(listener.host.as_str(), "0.0.0.0" | "::" | "") {
            let reason =
                format!("clients cannot connect to '{}': advertise a name or address of this host", listener.host);
            return Err(ConfigError::invalid(
                "advertised.listeners",
                &written(std::slice::from_ref(listener)),
                &reason,
            ));
        }
    }
    if advertised.is_empty() {
        return Err(ConfigError::invalid("advertised.listeners", "", "a broker advertises at least one listener"));
    }
    Ok(advertised)
}

fn inter_broker_listener(settings: &Settings, listeners: &[Listener]) -> Result<String, ConfigError> {
    let is_bound = |name: &str| listeners.iter().any(|listener| listener.name == name);
    if let Some(name) = settings.explicit("inter.broker.listener.name") {
        let name = name.to_uppercase();
        if is_bound(&name) {
            return Ok(name);
        }
        let reason = format!("must be one of the listeners: {}", written(listeners));
        return Err(ConfigError::invalid("inter.broker.listener.name", &name, &reason));
    }
    let by_protocol: String = settings.read("security.inter.broker.protocol")?;
    // A lone broker talks to no other, so that any listener will do.
    let first = listeners.first().map(|listener| listener.name.clone()).unwrap_or_default();
    Ok(if is_bound(&by_protocol) { by_protocol } else { first })
}

fn resolve_log_dirs(
    settings: &mut Settings,
    host: &HostFacts,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<PathBuf>, ConfigError> {
    for key in ["log.dirs", "log.dir"] {
        if let Some(value) = settings.explicit(key) {
            let directories: Vec<PathBuf> =
                value.split(',').map(str::trim).filter(|directory| !directory.is_empty()).map(PathBuf::from).collect();
            let distinct: BTreeSet<&PathBuf> = directories.iter().collect();
            if directories.is_empty() || distinct.len() < directories.len() {
                let reason = "must name one directory or more, each once";
                return Err(ConfigError::invalid(
                    if key == "log.dirs" { "log.dirs" } else { "log.dir" },
                    value,
                    reason,
                ));
            }
            return Ok(directories);
        }
    }
    let directory = match host.data_mounts.first() {
        // This image's volume is the data directory itself; the others keep theirs below.
        Some(mount) if mount.ends_with("var/lib/kafka/data") => mount.clone(),
        Some(mount) => mount.join("data"),
        None => {
            let directory: String = settings.read("log.dir")?;
            let directory = PathBuf::from(directory);
            if host.in_container {
                warnings.push(Warning::DataInContainer { directory: directory.clone() });
            }
            directory
        }
    };
    settings.set("log.dirs", directory.display().to_string(), Origin::Derived("no directory is set"));
    Ok(vec![directory])
}

/// The directories that `cordoned.log.dirs` names (KIP-1066); `*` means all of them.
fn resolve_cordoned_log_dirs(settings: &Settings, log_dirs: &[PathBuf]) -> Result<Vec<PathBuf>, ConfigError> {
    const KEY: &str = "cordoned.log.dirs";
    let cordoned: Vec<String> = settings.read(KEY)?;
    if cordoned.iter().any(|path| path == "*") {
        return Ok(log_dirs.to_vec());
    }
    let paths: Vec<PathBuf> = cordoned.iter().map(PathBuf::from).collect();
    if paths.iter().any(|path| !log_dirs.contains(path)) {
        return Err(ConfigError::invalid(KEY, &cordoned.join(","), "must name directories of log.dirs"));
    }
    Ok(paths)
}

/// Listeners as their key takes them.
pub(super) fn written(listeners: &[Listener]) -> String {
    let one = |listener: &Listener| format!("{}://{}", listener.name, address(&listener.host, listener.port));
    listeners.iter().map(one).collect::<Vec<_>>().join(",")
}
