//! From a properties file, an environment and flags to a broker's configuration: flags win over the environment, which wins
//! over the file. Pure: reads no file and no variable and looks at no disk, so that an error is an error before anything is
//! touched. What this release cannot serve is refused here rather than passed over.

mod create_topics;
mod node;
mod node_id;
mod quorum;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use barnabas_types::BrokerId;

use super::broker::BrokerConfig;
use super::environment::from_environment;
use super::keys::{InvalidValue, broker_key, broker_keys, is_foreign, nearest, removed};
use super::properties::{self, PropertiesError};
use super::settings::{Origin, Setting, Settings};

pub use create_topics::TopicToCreate;
use node::Leftovers;

/// Why a configuration cannot be used. Names key, value and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The properties file does not parse.
    #[error("{file}: {error}")]
    File {
        /// Its path.
        file: String,
        /// What is wrong.
        error: PropertiesError,
    },
    /// A flag that is not `key=value`.
    #[error("--override {flag}: expected key=value")]
    Flag {
        /// The flag's text.
        flag: String,
    },
    /// A value that its key does not take.
    #[error("{invalid}{}", origin.as_ref().map(|origin| format!(" (set in {origin})")).unwrap_or_default())]
    Invalid {
        /// Key, value and reason.
        invalid: InvalidValue,
        /// Where it was set, if it was.
        origin: Option<Origin>,
    },
    /// A key that must be set.
    #[error("{key} must be set: {reason}")]
    Missing {
        /// The key.
        key: &'static str,
        /// Why.
        reason: Box<str>,
    },
    /// A key that nobody knows, where none are let through.
    #[error("{0}")]
    Unknown(UnknownKey),
}

/// A key that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownKey {
    /// The key.
    pub key: String,
    /// Where it was set.
    pub origin: Origin,
    /// What was probably meant.
    pub nearest: Option<&'static str>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown configuration {} in {}", self.key, self.origin)?;
        match self.nearest {
            Some(nearest) => write!(f, ": did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}

impl ConfigError {
    /// An error over a known key, seen where several settings are read together.
    pub(super) fn invalid(key: &'static str, value: &str, reason: &str) -> Self {
        let invalid = match broker_key(key) {
            Some(row) => row.invalid(value, reason),
            None => InvalidValue { key: key.into(), value: value.into(), reason: reason.into() },
        };
        Self::Invalid { invalid, origin: None }
    }
}

/// What a person should read before relying on the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// A key that nobody knows.
    Unknown(UnknownKey),
    /// A key that Kafka had once.
    Removed {
        /// The key.
        key: String,
        /// The version that dropped it.
        removed_in: &'static str,
        /// What to use.
        instead: &'static str,
    },
    /// Keys that are known and do nothing in this release.
    WithoutEffect {
        /// The keys.
        keys: Vec<String>,
    },
    /// `zookeeper.connect` without a quorum.
    StandAlone,
    /// Data in a container's own file system.
    DataInContainer {
        /// The directory.
        directory: PathBuf,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(unknown) => unknown.fmt(f),
            Self::Removed { key, removed_in, instead } => {
                write!(f, "configuration {key} was removed in Kafka {removed_in}: use {instead}")
            }
            Self::WithoutEffect { keys } => {
                write!(f, "these configurations are accepted and have no effect in this release: {}", keys.join(", "))
            }
            Self::StandAlone => f.write_str(
                "zookeeper.connect is set and no quorum is: this node runs ALONE, with its own quorum and without \
                 ZooKeeper, and joins no other broker",
            ),
            Self::DataInContainer { directory } => write!(
                f,
                "data goes to {} inside the container and is lost with it: set log.dirs, or mount a volume at \
                 /bitnami/kafka, /kafka or /var/lib/kafka/data",
                directory.display()
            ),
        }
    }
}

/// What was found out about the machine.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// The host's name, advertised where no other name is set.
    pub host_name: String,
    /// Which of [`DATA_MOUNTS`] are there.
    pub data_mounts: Vec<PathBuf>,
    /// Whether this is a container.
    pub in_container: bool,
    /// The node that a log directory was formatted for, if it was.
    pub formatted_node_id: fn(&Path) -> Option<i32>,
}

impl Default for HostFacts {
    /// A machine of which nothing is known.
    fn default() -> Self {
        let formatted_node_id = |_: &Path| None;
        Self { host_name: String::new(), data_mounts: Vec::new(), in_container: false, formatted_node_id }
    }
}

/// Where the common images keep their data, in the order in which they are tried.
pub const DATA_MOUNTS: &[&str] = &["/bitnami/kafka", "/kafka", "/var/lib/kafka/data"];

/// A properties file that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path, for messages.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// Everything that a configuration is made of.
#[derive(Clone, Copy, Debug)]
pub struct BootInput<'a> {
    /// The properties files; a later one wins over an earlier one.
    pub files: &'a [SourceFile],
    /// The environment.
    pub environment: &'a BTreeMap<String, String>,
    /// The values of `--override`.
    pub overrides: &'a [String],
    /// Whether an unknown key is an error.
    pub strict: bool,
    /// The machine.
    pub host: &'a HostFacts,
}

/// A configuration that can be started with.
#[derive(Clone, Debug, PartialEq)]
pub struct Boot {
    /// The broker's.
    pub config: BrokerConfig,
    /// Every static setting with its origin, for what topics inherit and for DescribeConfigs.
    pub settings: Settings,
    /// Topics to make once the broker is up.
    pub create_topics: Vec<TopicToCreate>,
    /// The cluster id to format with, where the environment names one.
    pub cluster_id: Option<String>,
    /// What a person should read.
    pub warnings: Vec<Warning>,
}

impl Boot {
    /// The active controller has given this broker its id.
    pub fn be_given(&mut self, id: BrokerId) {
        self.config.node_id = Some(id);
        for key in ["node.id", "broker.id"] {
            self.settings.set(key, id.to_string(), Origin::Derived("the active controller has given it"));
        }
    }
}

/// Makes a configuration.
///
/// # Errors
/// All of [`ConfigError`]; the first one found.
pub fn boot(input: BootInput<'_>) -> Result<Boot, ConfigError> {
    let environment = from_environment(input.environment);
    let mut raw = Settings::default();
    for file in input.files {
        let parsed = properties::parse(&file.text);
        for property in parsed.map_err(|error| ConfigError::File { file: file.name.clone(), error })? {
            let origin = Origin::File { file: file.name.clone(), line: property.line };
            raw.set(property.key, property.value, origin);
        }
    }
    for setting in environment.settings {
        raw.set(setting.key, setting.value, Origin::Environment { variable: setting.variable });
    }
    for flag in input.overrides {
        let (key, value) = flag.split_once('=').ok_or_else(|| ConfigError::Flag { flag: flag.clone() })?;
        raw.set(key.trim(), value, Origin::Flag);
    }

    let mut checked = check(&raw, input.strict)?;
    let (config, settings) = node::resolve(&mut checked, input.host)?;
    let create_topics = match &environment.create_topics {
        Some(topics) => create_topics::parse(topics)?,
        None => Vec::new(),
    };
    let warnings = checked.warnings;
    Ok(Boot { config, settings, create_topics, cluster_id: environment.cluster_id, warnings })
}

/// Settings whose keys are known and whose values fit, and what else was found on the way.
struct Checked {
    settings: Settings,
    leftovers: Leftovers,
    warnings: Vec<Warning>,
}

fn check(raw: &Settings, strict: bool) -> Result<Checked, ConfigError> {
    let mut checked = Checked { settings: Settings::default(), leftovers: Leftovers::default(), warnings: Vec::new() };
    let mut without_effect = Vec::new();
    for (key, Setting { value, origin }) in raw.iter() {
        if let Some(row) = broker_key(key) {
            let canonical = row.check(value);
            let invalid = |invalid| ConfigError::Invalid { invalid, origin: Some(origin.clone()) };
            checked.settings.set(key, canonical.map_err(invalid)?, origin.clone());
            if !row.has_effect() || key.starts_with("listener.name.") {
                without_effect.push(key.to_owned());
            }
        } else if let Some(row) = removed(key) {
            checked.leftovers.take(row.effect, value);
            let (removed_in, instead) = (row.removed_in, row.instead);
            checked.warnings.push(Warning::Removed { key: key.into(), removed_in, instead });
        } else if is_foreign(key) {
            without_effect.push(key.to_owned());
        } else {
            let unknown = UnknownKey { key: key.into(), origin: origin.clone(), nearest: nearest(broker_keys(), key) };
            if strict {
                return Err(ConfigError::Unknown(unknown));
            }
            checked.warnings.push(Warning::Unknown(unknown));
        }
    }
    if !without_effect.is_empty() {
        checked.warnings.push(Warning::WithoutEffect { keys: without_effect });
    }
    Ok(checked)
}

#[cfg(test)]
mod tests;
