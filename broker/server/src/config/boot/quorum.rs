//! What the settings say of the quorum: this node's id and roles, who the voters are or who knows them, and what follows for its
//! listeners. Opens nothing and asks nobody.

use std::path::PathBuf;

use barnabas_types::BrokerId;

use super::node::written;
use super::{Checked, ConfigError, HostFacts, Warning, node_id};
use crate::config::broker::Roles;
use crate::config::listeners::{Listener, QuorumVoter, parse_bootstrap_servers, parse_voters};
use crate::config::settings::{Origin, Settings};

/// The port of the quorum in Kafka's examples.
pub(super) const CONTROLLER_PORT: u16 = 9093;
const VOTERS: &str = "controller.quorum.voters";
const SERVERS: &str = "controller.quorum.bootstrap.servers";
const ROLES: &str = "process.roles";

/// See the module.
pub(super) struct Quorum {
    /// `node.id`; none of a broker that is to be given one.
    pub(super) node_id: Option<i32>,
    pub(super) roles: Roles,
    /// `controller.quorum.voters`
    pub(super) voters: Vec<QuorumVoter>,
    /// `controller.quorum.bootstrap.servers`
    pub(super) bootstrap_servers: Vec<(String, u16)>,
    /// Nobody else is named: this node is the cluster.
    pub(super) is_alone: bool,
}

/// Settles node id, roles and voters, and writes what was left open into the settings.
pub(super) fn resolve(
    settings: &mut Settings,
    checked: &mut Checked,
    host: &HostFacts,
    log_dirs: &[PathBuf],
) -> Result<Quorum, ConfigError> {
    resolve_node_id(settings)?;
    let voters = parse_voters(settings.effective(VOTERS).unwrap_or_default())?;
    let servers: Vec<String> = settings.read(SERVERS)?;
    let bootstrap_servers = parse_bootstrap_servers(&servers)?;
    let is_quorum = settings.get(ROLES).is_some() || !voters.is_empty() || !bootstrap_servers.is_empty();
    if !is_quorum {
        if let Some(connect) = &checked.leftovers.zookeeper_connect {
            refuse_several_zookeepers(connect)?;
            checked.warnings.push(Warning::StandAlone);
        }
        const ALONE: Origin = Origin::Derived("nothing is said of a quorum");
        settings.set(ROLES, "broker,controller", ALONE);
    }
    let roles = read_roles(settings)?;
    let node_id = node_id::settle(settings, is_quorum, roles, host, log_dirs)?;
    check_voters(node_id, roles, &voters, &bootstrap_servers)?;
    let is_alone = roles.broker && roles.controller && voters.len() <= 1 && bootstrap_servers.len() <= 1;
    Ok(Quorum { node_id, roles, voters, bootstrap_servers, is_alone })
}

fn read_roles(settings: &Settings) -> Result<Roles, ConfigError> {
    let missing = |_| ConfigError::Missing {
        key: ROLES,
        reason: "a quorum is named; set process.roles=broker,controller, or one of them".into(),
    };
    let named: Vec<String> = settings.read(ROLES).map_err(missing)?;
    let roles = Roles {
        broker: named.iter().any(|role| role == "broker"),
        controller: named.iter().any(|role| role == "controller"),
    };
    match roles {
        Roles { broker: false, controller: false } => {
            Err(ConfigError::invalid(ROLES, &named.join(","), "must be broker, controller or both"))
        }
        roles => Ok(roles),
    }
}

/// `node.id` and `broker.id` are one setting under two names.
fn resolve_node_id(settings: &mut Settings) -> Result<(), ConfigError> {
    // -1 asked ZooKeeper for a number.
    let broker_id = settings.remove("broker.id").filter(|setting| setting.value != "-1");
    match (settings.get("node.id").cloned(), broker_id) {
        (Some(node_id), Some(broker_id)) if node_id.value != broker_id.value => {
            let reason = format!("must be the same as node.id, which is {}", node_id.value);
            Err(ConfigError::invalid("broker.id", &broker_id.value, &reason))
        }
        (None, Some(broker_id)) => {
            settings.set("node.id", broker_id.value, broker_id.origin);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn refuse_several_zookeepers(connect: &str) -> Result<(), ConfigError> {
    let hosts = connect.split('/').next().unwrap_or_default();
    if hosts.split(',').count() < 2 {
        return Ok(());
    }
    let reason = "several ZooKeepers mean a cluster of several brokers, which cannot be guessed: remove the key and add \
                  process.roles=broker,controller and controller.quorum.voters=<node.id>@<host>:9093";
    Err(ConfigError::invalid("zookeeper.connect", connect, reason))
}

/// Who votes and who is a controller must be the same where it is said twice.
fn check_voters(
    node_id: Option<i32>,
    roles: Roles,
    voters: &[QuorumVoter],
    servers: &[(String, u16)],
) -> Result<(), ConfigError> {
    let named: Vec<String> = voters.iter().map(|voter| format!("{}@{}:{}", voter.id, voter.host, voter.port)).collect();
    // Who has no id is a broker, and cannot be named.
    let misnamed =
        node_id.filter(|id| !voters.is_empty() && voters.iter().any(|voter| voter.id == *id) != roles.controller);
    if let Some(node_id) = misnamed {
        let reason = match roles.controller {
            true => format!("node {node_id} is a controller (process.roles): it must be named here"),
            false => format!("node {node_id} is only a broker (process.roles): it must not be named here"),
        };
        return Err(ConfigError::invalid(VOTERS, &named.join(","), &reason));
    }
    if !roles.controller && voters.is_empty() && servers.is_empty() {
        let reason =
            "a node that is only a broker has to know where the controllers are: host:port of some of them".into();
        return Err(ConfigError::Missing { key: SERVERS, reason });
    }
    Ok(())
}

impl Quorum {
    /// Refuses listeners that do not go with the roles.
    pub(super) fn check_listeners(
        &self,
        settings: &Settings,
        names: &[String],
        controllers: &[Listener],
        brokers: &[Listener],
    ) -> Result<(), ConfigError> {
        const NAMES: &str = "controller.listener.names";
        let value = settings.effective("listeners").unwrap_or_default();
        let refuse = |reason: &str| Err(ConfigError::invalid("listeners", value, reason));
        if names.is_empty() && !self.is_alone {
            let reason =
                "the nodes of a quorum reach each other by a listener of their own: CONTROLLER, for example".into();
            return Err(ConfigError::Missing { key: NAMES, reason });
        }
        if self.roles.broker && brokers.is_empty() {
            return refuse("a broker needs a listener that is not the quorum's");
        }
        if !self.roles.broker && !brokers.is_empty() {
            let reason = format!("a node that is only a controller serves no clients: remove {}", written(brokers));
            return refuse(&reason);
        }
        if !self.roles.controller && !controllers.is_empty() {
            let reason =
                format!("a node that is only a broker has no listener of the quorum: remove {}", written(controllers));
            return refuse(&reason);
        }
        let is_bound = |name: &String| controllers.iter().any(|bound| bound.name == *name);
        if let Some(name) = names.iter().find(|name| self.roles.controller && !is_bound(name)) {
            let reason = format!("listeners has no {name}: add {name}://:{CONTROLLER_PORT} there");
            return Err(ConfigError::invalid(NAMES, &names.join(","), &reason));
        }
        Ok(())
    }

    /// What other nodes are told of the quorum's listeners: where no name is given, the one that `controller.quorum.voters` has for this
    /// node, else that of the host.
    pub(super) fn advertise(
        &self,
        node_id: Option<BrokerId>,
        listeners: &[Listener],
        host: &HostFacts,
    ) -> Vec<Listener> {
        let voter = self.voters.iter().find(|voter| Some(BrokerId(voter.id)) == node_id);
        let name = voter.map_or(&host.host_name, |voter| &voter.host);
        let advertised = |listener: &Listener| match listener.host.as_str() {
            "" | "0.0.0.0" | "::" => Listener { host: name.clone(), ..listener.clone() },
            _ => listener.clone(),
        };
        listeners.iter().map(advertised).collect()
    }
}
