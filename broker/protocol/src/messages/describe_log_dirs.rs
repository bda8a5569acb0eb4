//! DescribeLogDirs (key 35): the disks of a broker and the logs on them (KIP-113, KIP-827).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for the logs on a broker's disks.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DescribeLogDirs, response = DescribeLogDirsResponse)]
pub struct DescribeLogDirsRequest<'a> {
    /// The topics asked for; null for all.
    #[field(nullable = "0+")]
    pub topics: Option<Vec<DescribableLogDirTopic<'a>>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// Partitions of one topic.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribableLogDirTopic<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The partitions' numbers.
    pub partitions: Vec<i32>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The broker's log directories.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DescribeLogDirs)]
pub struct DescribeLogDirsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    #[field(versions = "3+", ignorable)]
    pub error_code: ErrorCode,
    /// The log directories.
    pub results: Vec<DescribeLogDirsResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// One log directory.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeLogDirsResult<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// The directory's absolute path.
    pub log_dir: Cow<'a, str>,
    /// The logs, by topic.
    pub topics: Vec<DescribeLogDirsTopic<'a>>,
    /// The size of the volume in bytes; -1 when it is not known.
    #[field(versions = "4+", default = -1, ignorable)]
    pub total_bytes: i64,
    /// The free bytes of the volume; -1 when that is not known.
    #[field(versions = "4+", default = -1, ignorable)]
    pub usable_bytes: i64,
    /// True when no new partitions are placed here.
    #[field(versions = "5+", ignorable)]
    pub is_cordoned: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A topic's logs in the directory.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeLogDirsTopic<'a> {
    /// The topic's name.
    pub name: Cow<'a, str>,
    /// By partition.
    pub partitions: Vec<DescribeLogDirsPartition<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// One log.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeLogDirsPartition<'a> {
    /// The partition's number.
    pub partition_index: i32,
    /// The size of the log in bytes.
    pub partition_size: i64,
    /// How many records the log lacks: of the high watermark, or for a future log of the current one.
    pub offset_lag: i64,
    /// True for a log that is being copied here from another directory and will replace it.
    pub is_future_key: bool,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
