//! ControllerRegistration (key 70): a controller that starts registers with the active one (KIP-919).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Registers a controller.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = ControllerRegistration, response = ControllerRegistrationResponse)]
pub struct ControllerRegistrationRequest<'a> {
    /// The controller's id.
    pub controller_id: i32,
    /// Chosen anew by every start of the process.
    pub incarnation_id: Uuid,
    /// Left from the migration away from ZooKeeper; false.
    pub zk_migration_ready: bool,
    /// The addresses, by listener.
    pub listeners: Vec<Listener<'a>>,
    /// The features it is able to run.
    pub features: Vec<Feature<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// An address of the controller.
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

/// A feature and the levels that the controller is able to run.
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

/// Whether it is registered.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = ControllerRegistration)]
pub struct ControllerRegistrationResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
