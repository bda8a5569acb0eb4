//! AddRaftVoter (key 80): makes an observer of the quorum a voter (KIP-853; version 1 by KIP-1186).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Makes an observer a voter.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = AddRaftVoter, response = AddRaftVoterResponse)]
pub struct AddRaftVoterRequest<'a> {
    /// The cluster that is meant; null for whichever it is.
    #[field(nullable = "0+")]
    pub cluster_id: Option<Cow<'a, str>>,
    /// How long to wait until it is done, in milliseconds.
    pub timeout_ms: i32,
    /// The node id of the new voter.
    pub voter_id: i32,
    /// The id of its metadata log directory.
    pub voter_directory_id: Uuid,
    /// Its addresses, by listener.
    pub listeners: Vec<Listener<'a>>,
    /// True to answer when the new set of voters is committed, false when the leader has written it.
    #[field(versions = "1+", default = true)]
    pub ack_when_committed: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// An address of the node.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Listener<'a> {
    /// The listener's name.
    pub name: Cow<'a, str>,
    /// The host name or address to connect to.
    pub host: Cow<'a, str>,
    /// The port to connect to.
    pub port: u16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whether it is a voter now.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = AddRaftVoter)]
pub struct AddRaftVoterResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", ignorable)]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
