//! CreatePartitions (key 37): gives topics more partitions (KIP-195).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Gives topics more partitions, each topic for itself.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = CreatePartitions, response = CreatePartitionsResponse)]
pub struct CreatePartitionsRequest<'a> {
    /// The topics to grow.
    pub topics: Vec<CreatePartitionsTopic<'a>>,
    /// How long to wait for it to be done, in milliseconds.
    pub timeout_ms: i32,
    /// True to find out whether it would work, without doing it.
    pub validate_only: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A topic and how many partitions it shall have.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct CreatePartitionsTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// How many partitions the topic shall have, the present ones included.
    pub count: i32,
    /// Where the new partitions shall be, one entry each; null to let the controller place them.
    #[field(nullable = "0+")]
    pub assignments: Option<Vec<CreatePartitionsAssignment<'a>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// On which brokers a new partition shall be.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct CreatePartitionsAssignment<'a> {
    /// The brokers, the preferred leader first.
    pub broker_ids: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each topic.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = CreatePartitions)]
pub struct CreatePartitionsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// By topic.
    pub results: Vec<CreatePartitionsTopicResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct CreatePartitionsTopicResult<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+", default = null)]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
