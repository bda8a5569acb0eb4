//! Dynamic configuration: what was set, by resource. Knows no defaults and no rules.

use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;

use super::hash::{SetHash, record_hash};
use crate::snapshot;

/// What a configuration belongs to, with Kafka's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// A topic (2).
    Topic,
    /// A broker, or all brokers when the name is empty (4).
    Broker,
    /// The log levels of a broker (8). Never in the metadata log.
    BrokerLogger,
    /// A client metrics subscription (16).
    ClientMetrics,
    /// A group (32).
    Group,
}

impl ResourceType {
    /// The type with Kafka's number `id`.
    #[must_use]
    pub const fn from_id(id: i8) -> Option<Self> {
        match id {
            2 => Some(Self::Topic),
            4 => Some(Self::Broker),
            8 => Some(Self::BrokerLogger),
            16 => Some(Self::ClientMetrics),
            32 => Some(Self::Group),
            _ => None,
        }
    }

    /// Kafka's number.
    #[must_use]
    pub const fn id(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }
}

/// One thing that can be configured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// Its type.
    pub resource_type: ResourceType,
    /// Its name; empty for the default of all brokers.
    pub name: Arc<str>,
}

impl ConfigResource {
    /// The topic called `name`.
    pub fn topic(name: impl Into<Arc<str>>) -> Self {
        Self { resource_type: ResourceType::Topic, name: name.into() }
    }

    /// The broker named by its id in digits, or all brokers when `name` is empty.
    pub fn broker(name: impl Into<Arc<str>>) -> Self {
        Self { resource_type: ResourceType::Broker, name: name.into() }
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} '{}'", self.resource_type, self.name)
    }
}

/// The keys and values set on one resource.
pub type ResourceConfigs = OrdMap<Box<str>, Arc<str>>;

/// All dynamic configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Configs {
    pub(crate) by_resource: OrdMap<ConfigResource, ResourceConfigs>,
    hash: SetHash,
}

impl Configs {
    /// What is set on `resource`; None when nothing is.
    #[must_use]
    pub fn get(&self, resource: &ConfigResource) -> Option<&ResourceConfigs> {
        self.by_resource.get(resource)
    }

    /// What is set on the topic called `name`.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&ResourceConfigs> {
        self.get(&ConfigResource::topic(name))
    }

    /// The value of `key` on `resource`.
    #[must_use]
    pub fn value(&self, resource: &ConfigResource, key: &str) -> Option<&str> {
        self.get(resource)?.get(key).map(AsRef::as_ref)
    }

    /// Every resource on which something is set.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigResource, &ResourceConfigs)> {
        self.by_resource.iter()
    }

    pub(super) const fn hash(&self) -> u64 {
        self.hash.value()
    }

    /// Sets `key`, or takes it away when `value` is None.
    pub(crate) fn set(&mut self, resource: &ConfigResource, key: &str, value: Option<&str>) {
        let mut configs = self.by_resource.get(resource).cloned().unwrap_or_default();
        if let Some(before) = configs.remove(key) {
            self.hash.remove(record_hash(&snapshot::config(resource, key, &before)));
        }
        if let Some(value) = value {
            self.hash.add(record_hash(&snapshot::config(resource, key, value)));
            configs.insert(key.into(), value.into());
        }
        if configs.is_empty() {
            self.by_resource.remove(resource);
        } else {
            self.by_resource.insert(resource.clone(), configs);
        }
    }

    /// Takes away everything that is set on `resource`.
    pub(crate) fn remove(&mut self, resource: &ConfigResource) {
        for (key, value) in self.by_resource.remove(resource).into_iter().flatten() {
            self.hash.remove(record_hash(&snapshot::config(resource, &key, &value)));
        }
    }
}
