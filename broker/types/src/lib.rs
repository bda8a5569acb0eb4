//! The identifiers and numbers that every crate speaks in. Newtypes only: no behaviour, no I/O, no clock.

mod numbers;
pub mod pairs;
mod segments;
mod topic;
mod uuid;

pub use numbers::{BrokerId, LeaderEpoch, Now, Offset, ProducerEpoch, ProducerId, Timestamp};
pub use segments::{FileRegion, Segment, Segments};
pub use topic::{PartitionId, TopicIdPartition, TopicPartition};
pub use uuid::{ParseUuidError, Uuid};
