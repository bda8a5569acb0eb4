//! AlterConfigs and IncrementalAlterConfigs: what is set on topics, brokers and groups. Which keys and values are valid is
//! somebody else's knowledge, asked through [`ConfigRules`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::records::metadata::{ConfigRecord, MetadataRecord};
use barnabas_types::BrokerId;

use super::min_isr::{MIN_IN_SYNC_REPLICAS, MinIsrError, clear_eligible_leaders};
use super::{Context, Controller, Outcome};
use crate::{ConfigResource, ResourceConfigs, ResourceType};

/// A configuration that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidConfig {
    /// Key, value, and what is allowed.
    pub message: Box<str>,
}

impl InvalidConfig {
    pub(super) fn null_value(key: &str) -> Self {
        Self { message: format!("{key} has no value: give one, or leave the key out").into() }
    }
}

/// What is known of configuration keys.
pub trait ConfigRules {
    /// Checks everything that would be set on `resource`, as a whole.
    ///
    /// # Errors
    /// A key that is unknown or cannot change at run time, a value that is not allowed, or two that exclude each other.
    fn validate(&self, resource: &ConfigResource, configs: &BTreeMap<Box<str>, Box<str>>) -> Result<(), InvalidConfig>;

    /// True when the value of `key` is a list, to which one can append.
    fn is_list(&self, resource_type: ResourceType, key: &str) -> bool;

    /// The value of `key` where nothing is set on the resource itself.
    fn inherited(&self, resource: &ConfigResource, key: &str) -> Option<String>;
}

/// What to do with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigOperation<'a> {
    /// Set it (0).
    Set(&'a str),
    /// Take it away (1).
    Delete,
    /// Add to a list (2).
    Append(&'a str),
    /// Take from a list (3).
    Subtract(&'a str),
}

impl<'a> ConfigOperation<'a> {
    /// The operation with Kafka's number `code` for `key`.
    ///
    /// # Errors
    /// No such operation, or one that needs a value and has none.
    pub fn parse(code: i8, key: &str, value: Option<&'a str>) -> Result<Self, AlterConfigsError> {
        let needed = || value.ok_or_else(|| AlterConfigsError::NoValue { key: key.into() });
        match code {
            0 => Ok(Self::Set(needed()?)),
            1 => Ok(Self::Delete),
            2 => Ok(Self::Append(needed()?)),
            3 => Ok(Self::Subtract(needed()?)),
            code => Err(AlterConfigsError::UnknownOperation { code, key: key.into() }),
        }
    }
}

/// Why a configuration was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlterConfigsError {
    /// A value that is not allowed.
    #[error("{0}")]
    Config(InvalidConfig),
    /// A value that a broker does not take.
    #[error("{0}")]
    BrokerConfig(InvalidConfig),
    /// A minimum of one broker alone.
    #[error(transparent)]
    MinIsr(#[from] MinIsrError),
    /// Not a list.
    #[error("{key} is not a list: values can be set, not appended or subtracted")]
    NotAList {
        /// The key.
        key: Box<str>,
    },
    /// A key named twice.
    #[error("{key} is named more than once for {resource}")]
    Duplicate {
        /// The key.
        key: Box<str>,
        /// The resource.
        resource: ConfigResource,
    },
    /// Not an operation.
    #[error("{code} is no operation on {key}; 0 sets, 1 deletes, 2 appends, 3 subtracts")]
    UnknownOperation {
        /// What was given.
        code: i8,
        /// The key.
        key: Box<str>,
    },
    /// Not a kind of resource.
    #[error("{code} is no kind of resource")]
    UnknownResourceType {
        /// What was given.
        code: i8,
    },
    /// A resource named twice.
    #[error("{resource} is named more than once in the request")]
    DuplicateResource {
        /// The resource.
        resource: ConfigResource,
    },
    /// No such topic.
    #[error("The topic '{topic}' does not exist.")]
    UnknownTopic {
        /// Its name.
        topic: Box<str>,
    },
    /// Not a broker's id.
    #[error("'{name}' is not the id of a broker")]
    BrokerName {
        /// What was given.
        name: Box<str>,
    },
    /// No such broker.
    #[error("No node with id {broker} found.")]
    UnknownBroker {
        /// Its id.
        broker: BrokerId,
    },
    /// A key without a value.
    #[error("Null value not supported for : {key}")]
    NoValue {
        /// The key.
        key: Box<str>,
    },
    /// Not kept in the metadata log, or not served by this release.
    #[error("configuration of {resource} cannot be changed here")]
    UnsupportedResource {
        /// The resource.
        resource: ConfigResource,
    },
}

impl AlterConfigsError {
    /// Kafka's code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Config(_) | Self::MinIsr(_) | Self::NotAList { .. } => ErrorCode::INVALID_CONFIG,
            // Kafka's brokers judge their own settings, and call a bad one a bad request.
            Self::BrokerConfig(_)
            | Self::Duplicate { .. }
            | Self::BrokerName { .. }
            | Self::NoValue { .. }
            | Self::UnknownOperation { .. }
            | Self::UnknownResourceType { .. }
            | Self::DuplicateResource { .. }
            | Self::UnsupportedResource { .. } => ErrorCode::INVALID_REQUEST,
            Self::UnknownBroker { .. } => ErrorCode::BROKER_ID_NOT_REGISTERED,
            Self::UnknownTopic { .. } => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        }
    }
}

impl Controller {
    /// Changes single keys of one resource.
    ///
    /// # Errors
    /// The resource, a key or a value is not allowed; nothing is changed then.
    pub fn incremental_alter_configs(
        &self,
        context: &Context<'_>,
        resource: &ConfigResource,
        operations: &[(&str, ConfigOperation<'_>)],
    ) -> Result<Outcome<()>, AlterConfigsError> {
        self.check_resource(resource)?;
        let current = self.head.configs.get(resource);
        let mut changes = BTreeMap::new();
        for (key, operation) in operations {
            let value = self.altered(context, resource, key, operation)?;
            if changes.insert(Box::from(*key), value).is_some() {
                return Err(AlterConfigsError::Duplicate { key: (*key).into(), resource: resource.clone() });
            }
        }
        self.alter(context, resource, current, changes)
    }

    /// Replaces everything that is set on one resource.
    ///
    /// # Errors
    /// As for single keys.
    pub fn alter_configs(
        &self,
        context: &Context<'_>,
        resource: &ConfigResource,
        configs: &[(&str, Option<&str>)],
    ) -> Result<Outcome<()>, AlterConfigsError> {
        self.check_resource(resource)?;
        let current = self.head.configs.get(resource);
        let mut changes: BTreeMap<Box<str>, Option<Box<str>>> = BTreeMap::new();
        for (key, value) in configs {
            let value = value.ok_or_else(|| AlterConfigsError::NoValue { key: (*key).into() })?;
            if changes.insert((*key).into(), Some(value.into())).is_some() {
                return Err(AlterConfigsError::Duplicate { key: (*key).into(), resource: resource.clone() });
            }
        }
        for key in current.into_iter().flat_map(|current| current.keys()) {
            changes.entry(key.clone()).or_insert(None);
        }
        self.alter(context, resource, current, changes)
    }

    fn check_resource(&self, resource: &ConfigResource) -> Result<(), AlterConfigsError> {
        match resource.resource_type {
            ResourceType::Topic if self.head.topics.named(&resource.name).is_none() => {
                Err(AlterConfigsError::UnknownTopic { topic: resource.name.as_ref().into() })
            }
            // The default of all brokers has no name.
            ResourceType::Broker if !resource.name.is_empty() => {
                let name = || AlterConfigsError::BrokerName { name: resource.name.as_ref().into() };
                let broker = BrokerId(resource.name.parse().map_err(|_| name())?);
                let registered = self.head.brokers.get(broker).is_some();
                if registered { Ok(()) } else { Err(AlterConfigsError::UnknownBroker { broker }) }
            }
            ResourceType::Topic | ResourceType::Broker => Ok(()),
            ResourceType::BrokerLogger | ResourceType::ClientMetrics | ResourceType::Group => {
                Err(AlterConfigsError::UnsupportedResource { resource: resource.clone() })
            }
        }
    }

    /// The value of `key` after `operation`.
    fn altered(
        &self,
        context: &Context<'_>,
        resource: &ConfigResource,
        key: &str,
        operation: &ConfigOperation<'_>,
    ) -> Result<Option<Box<str>>, AlterConfigsError> {
        let (given, append) = match operation {
            ConfigOperation::Set(value) => return Ok(Some((*value).into())),
            ConfigOperation::Delete => return Ok(None),
            ConfigOperation::Append(given) => (given, true),
            ConfigOperation::Subtract(given) => (given, false),
        };
        if !context.rules.is_list(resource.resource_type, key) {
            return Err(AlterConfigsError::NotAList { key: key.into() });
        }
        let inherited = context.rules.inherited(resource, key);
        let current = self.head.configs.value(resource, key).or(inherited.as_deref()).unwrap_or_default();
        let mut parts: Vec<_> = current.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        for value in given.split(',').map(str::trim) {
            if !append {
                parts.retain(|part| *part != value);
            } else if !parts.contains(&value) {
                parts.push(value);
            }
        }
        Ok(Some(parts.join(",").into()))
    }

    fn alter(
        &self,
        context: &Context<'_>,
        resource: &ConfigResource,
        current: Option<&ResourceConfigs>,
        mut changes: BTreeMap<Box<str>, Option<Box<str>>>,
    ) -> Result<Outcome<()>, AlterConfigsError> {
        let now = |key: &str| current.and_then(|current| current.get(key)).map(AsRef::as_ref);
        let mut all: BTreeMap<Box<str>, Box<str>> =
            current.into_iter().flatten().map(|(key, value)| (key.clone(), value.as_ref().into())).collect();
        for (key, value) in &changes {
            match value {
                Some(value) => all.insert(key.clone(), value.clone()),
                None => all.remove(key),
            };
        }
        self.check_min_isr(resource, &changes)?;
        context.rules.validate(resource, &all).map_err(|invalid| match resource.resource_type {
            ResourceType::Broker => AlterConfigsError::BrokerConfig(invalid),
            _ => AlterConfigsError::Config(invalid),
        })?;
        // A broker gets a record for an unchanged value too: it makes it read key stores and the like again.
        changes.retain(|key, value| resource.resource_type == ResourceType::Broker || now(key) != value.as_deref());
        let ends_eligibility = self.keeps_eligible() && changes.contains_key(MIN_IN_SYNC_REPLICAS);
        let records = changes.into_iter().map(|(key, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: resource.resource_type.id(),
                resource_name: Cow::Owned(resource.name.to_string()),
                name: Cow::Owned(key.into()),
                value: value.map(|value| Cow::Owned(value.into())),
                ..ConfigRecord::default()
            })
        });
        let mut records: Vec<_> = records.collect();
        records.extend(ends_eligibility.then(|| clear_eligible_leaders(resource)));
        Ok(Outcome { records, response: () })
    }
}
