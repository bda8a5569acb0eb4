//! BrokerHeartbeat (key 63): a registered broker is alive, and learns whether it is fenced (KIP-631, KIP-858, KIP-1066).

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::{ErrorCode, UnknownTags};

/// The broker is alive, and this is what it wants.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = BrokerHeartbeat, response = BrokerHeartbeatResponse)]
pub struct BrokerHeartbeatRequest<'a> {
    /// The broker's id.
    pub broker_id: i32,
    /// The epoch of its registration.
    #[field(default = -1)]
    pub broker_epoch: i64,
    /// The offset up to which the broker has applied the metadata log.
    pub current_metadata_offset: i64,
    /// True when the broker wants to stay or become fenced.
    pub want_fence: bool,
    /// True when the broker wants to stop.
    pub want_shut_down: bool,
    /// The ids of the log directories that have failed.
    #[field(versions = "1+", tag = 0)]
    pub offline_log_dirs: Vec<Uuid>,
    /// The ids of the log directories that shall get no new partitions; null while the broker has not told them.
    #[field(versions = "2+", nullable = "2+", tag = 1, default = null)]
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What the controller made of it.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = BrokerHeartbeat)]
pub struct BrokerHeartbeatResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// True when the broker has all but the latest of the metadata log.
    pub is_caught_up: bool,
    /// True when the broker may not lead or be in sync.
    #[field(default = true)]
    pub is_fenced: bool,
    /// True when nothing depends on the broker any more and it may stop.
    pub should_shut_down: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
