//! BrokerRegistration (key 62): a broker that starts registers with the controller and gets its epoch (KIP-631, KIP-858, KIP-966).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Registers a broker. It is fenced until its heartbeats show that it has caught up.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = BrokerRegistration, response = BrokerRegistrationResponse)]
pub struct BrokerRegistrationRequest<'a> {
    /// The broker's id.
    pub broker_id: i32,
    /// The cluster that the broker believes to be part of.
    pub cluster_id: Cow<'a, str>,
    /// Chosen anew by every start of the process.
    pub incarnation_id: Uuid,
    /// The addresses, by listener.
    pub listeners: Vec<Listener<'a>>,
    /// The features it is able to run. Below version 4 those whose lowest level is 0 are left out.
    pub features: Vec<Feature<'a>>,
    /// The broker's rack; null when it has none.
    #[field(nullable = "0+")]
    pub rack: Option<Cow<'a, str>>,
    /// Left from the migration away from ZooKeeper; false.
    #[field(versions = "1+")]
    pub is_migrating_zk_broker: bool,
    /// The ids of the log directories that work.
    #[field(versions = "2+", ignorable)]
    pub log_dirs: Vec<Uuid>,
    /// The epoch of its registration before a clean stop; -1 when it cannot say that it lost nothing.
    #[field(versions = "3+", default = -1, ignorable)]
    pub previous_broker_epoch: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// An address of the broker.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Listener<'a> {
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
pub struct Feature<'a> {
    /// The feature's name, such as `metadata.version`.
    pub name: Cow<'a, str>,
    /// The lowest level it is able to run.
    pub min_supported_version: i16,
    /// The highest level it is able to run.
    pub max_supported_version: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The broker's epoch.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = BrokerRegistration)]
pub struct BrokerRegistrationResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The epoch of the new registration; -1 when there is none.
    #[field(default = -1)]
    pub broker_epoch: i64,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
