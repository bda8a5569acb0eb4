//! LeaderChange (control record type 2): the first record of a leader in its epoch (KIP-595, KIP-853).

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// Who leads the quorum.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
pub struct LeaderChangeMessage<'a> {
    /// The version of this record, the same that it is written in.
    pub version: i16,
    /// The new leader.
    pub leader_id: i32,
    /// The voters of the quorum.
    pub voters: Vec<Voter<'a>>,
    /// Those who voted for the leader.
    pub granting_voters: Vec<Voter<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A voter.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Voter<'a> {
    /// The voter's node id.
    pub voter_id: i32,
    /// The id of the voter's metadata log directory.
    #[field(versions = "1+")]
    pub voter_directory_id: Uuid,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
