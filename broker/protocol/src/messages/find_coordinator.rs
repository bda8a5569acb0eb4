//! FindCoordinator (key 10): which broker coordinates a group, a transactional id or a share partition (KIP-98, KIP-699, KIP-932).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks which brokers coordinate. One key up to version 3, several from version 4 on.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = FindCoordinator, response = FindCoordinatorResponse)]
pub struct FindCoordinatorRequest<'a> {
    /// The group or transactional id, up to version 3.
    #[field(versions = "0-3")]
    pub key: Cow<'a, str>,
    /// What the keys are: 0 groups, 1 transactional ids, 2 share partitions.
    #[field(versions = "1+")]
    pub key_type: i8,
    /// The groups, transactional ids or share partitions, from version 4 on.
    #[field(versions = "4+")]
    pub coordinator_keys: Vec<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The coordinators. One beside the error up to version 3, a list from version 4 on.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = FindCoordinator)]
pub struct FindCoordinatorResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    #[field(versions = "1+", ignorable)]
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    #[field(versions = "0-3")]
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(versions = "1-3", nullable = "1-3", ignorable)]
    pub error_message: Option<Cow<'a, str>>,
    /// The broker's id.
    #[field(versions = "0-3")]
    pub node_id: i32,
    /// The host name or address to connect to.
    #[field(versions = "0-3")]
    pub host: Cow<'a, str>,
    /// The port to connect to.
    #[field(versions = "0-3")]
    pub port: i32,
    /// The coordinators, one a key.
    #[field(versions = "4+")]
    pub coordinators: Vec<Coordinator<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Who coordinates one key.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Coordinator<'a> {
    /// The key that was asked for.
    #[field(versions = "4+")]
    pub key: Cow<'a, str>,
    /// The broker's id.
    #[field(versions = "4+")]
    pub node_id: i32,
    /// The host name or address to connect to.
    #[field(versions = "4+")]
    pub host: Cow<'a, str>,
    /// The port to connect to.
    #[field(versions = "4+")]
    pub port: i32,
    /// What went wrong, or NONE.
    #[field(versions = "4+")]
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(versions = "4+", nullable = "4+", ignorable)]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
