//! QuorumStateData: the file `quorum-state`, a node's part in the elections of the quorum (KIP-595, KIP-853). On disk it is JSON, not
//! this binary form.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// Whom the node follows or has voted for.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-1", flexible = "0+")]
pub struct QuorumStateData<'a> {
    /// The cluster, in version 0.
    #[field(versions = "0")]
    pub cluster_id: Cow<'a, str>,
    /// The leader; -1 when the node knows none.
    #[field(default = -1)]
    pub leader_id: i32,
    /// The epoch that the node is in; -1 for none.
    #[field(default = -1)]
    pub leader_epoch: i32,
    /// The node that it has voted for in this epoch; -1 for none.
    #[field(default = -1)]
    pub voted_id: i32,
    /// The id of that node's metadata log directory; zero when it is not known.
    #[field(versions = "1+")]
    pub voted_directory_id: Uuid,
    /// Always 0, in version 0.
    #[field(versions = "0")]
    pub applied_offset: i64,
    /// The voters, in version 0.
    #[field(versions = "0", nullable = "0")]
    pub current_voters: Option<Vec<Voter<'a>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A voter.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Voter<'a> {
    /// The voter's node id.
    #[field(versions = "0")]
    pub voter_id: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
