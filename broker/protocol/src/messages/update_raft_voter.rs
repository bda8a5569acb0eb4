//! UpdateRaftVoter (key 82): a voter tells the leader its addresses and the protocol versions that it is able to run (KIP-853).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// What is new about a voter.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = UpdateRaftVoter, response = UpdateRaftVoterResponse)]
pub struct UpdateRaftVoterRequest<'a> {
    /// The cluster that is meant; null for whichever it is.
    #[field(nullable = "0+")]
    pub cluster_id: Option<Cow<'a, str>>,
    /// The leader epoch that the voter knows; -1 when it knows none.
    pub current_leader_epoch: i32,
    /// The node id of the voter.
    pub voter_id: i32,
    /// The id of its metadata log directory.
    pub voter_directory_id: Uuid,
    /// Its addresses, by listener.
    pub listeners: Vec<Listener<'a>>,
    /// What the voter is able to run.
    #[field(name = "kRaftVersionFeature")]
    pub kraft_version_feature: KRaftVersionFeature<'a>,
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

/// The versions of the quorum's protocol that the voter is able to run.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct KRaftVersionFeature<'a> {
    /// The lowest version.
    pub min_supported_version: i16,
    /// The highest version.
    pub max_supported_version: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whether the leader took it in.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = UpdateRaftVoter)]
pub struct UpdateRaftVoterResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The leader to turn to, when this node is not the one.
    #[field(tag = 0)]
    pub current_leader: CurrentLeader<'a>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Who leads the quorum, with an address.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct CurrentLeader<'a> {
    /// The leader's node id; -1 when it is not known.
    #[field(default = -1)]
    pub leader_id: i32,
    /// The leader's epoch; -1 when it is not known.
    #[field(default = -1)]
    pub leader_epoch: i32,
    /// The host name or address to connect to.
    pub host: Cow<'a, str>,
    /// The port to connect to.
    pub port: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
