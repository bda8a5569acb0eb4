//! RemoveRaftVoter (key 81): takes a voter out of the quorum (KIP-853).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// Takes a voter out of the quorum.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = RemoveRaftVoter, response = RemoveRaftVoterResponse)]
pub struct RemoveRaftVoterRequest<'a> {
    /// The cluster that is meant; null for whichever it is.
    #[field(nullable = "0+")]
    pub cluster_id: Option<Cow<'a, str>>,
    /// The node id of the voter.
    pub voter_id: i32,
    /// The id of its metadata log directory.
    pub voter_directory_id: Uuid,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Whether it is out.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = RemoveRaftVoter)]
pub struct RemoveRaftVoterResponse<'a> {
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
