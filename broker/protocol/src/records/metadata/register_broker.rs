//! RegisterBroker (record type 0): a broker has registered, fenced at first.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// A broker's registration.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-4", flexible = "0+")]
pub struct RegisterBrokerRecord<'a> {
    /// The broker's id.
    pub broker_id: i32,
    /// Left from the migration away from ZooKeeper; false.
    #[field(versions = "2+")]
    pub is_migrating_zk_broker: bool,
    /// Chosen anew by every start of the process.
    pub incarnation_id: Uuid,
    /// The epoch of the registration: the offset of its record.
    pub broker_epoch: i64,
    /// The addresses, by listener.
    pub end_points: Vec<BrokerEndpoint<'a>>,
    /// The features it is able to run.
    pub features: Vec<BrokerFeature<'a>>,
    /// The broker's rack; null when it has none.
    #[field(nullable = "0+")]
    pub rack: Option<Cow<'a, str>>,
    /// True when the broker is registered but may not lead or be in sync.
    #[field(default = true)]
    pub fenced: bool,
    /// True when the broker is about to stop.
    #[field(versions = "1+")]
    pub in_controlled_shutdown: bool,
    /// The ids of the log directories that work.
    #[field(versions = "3+", tag = 0)]
    pub log_dirs: Vec<Uuid>,
    /// The ids of those that get no new partitions; null until the broker has told them.
    #[field(versions = "4+", nullable = "4+", tag = 1, default = null)]
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// An address of the broker.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct BrokerEndpoint<'a> {
    /// The listener's name.
    pub name: Cow<'a, str>,
    /// The host name or address to connect to.
    pub host: Cow<'a, str>,
    /// The port to connect to.
    pub port: u16,
    /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A feature and the levels that the broker is able to run.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct BrokerFeature<'a> {
    /// The feature's name, such as `metadata.version`.
    pub name: Cow<'a, str>,
    /// The lowest level it is able to run.
    pub min_supported_version: i16,
    /// The highest level it is able to run.
    pub max_supported_version: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
