//! RegisterController (record type 27): a controller has registered (KIP-919).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// A controller's registration.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct RegisterControllerRecord<'a> {
    /// The controller's id.
    pub controller_id: i32,
    /// Chosen anew by every start of the process.
    pub incarnation_id: Uuid,
    /// Left from the migration away from ZooKeeper; false.
    pub zk_migration_ready: bool,
    /// The addresses, by listener.
    pub end_points: Vec<ControllerEndpoint<'a>>,
    /// The features it is able to run.
    pub features: Vec<ControllerFeature<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// An address of the controller.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct ControllerEndpoint<'a> {
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
pub struct ControllerFeature<'a> {
    /// The feature's name, such as `metadata.version`.
    pub name: Cow<'a, str>,
    /// The lowest level it is able to run.
    pub min_supported_version: i16,
    /// The highest level it is able to run.
    pub max_supported_version: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
