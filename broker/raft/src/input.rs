//! Everything that can happen to a quorum replica. Closed: what is not here cannot change it.

use barnabas_types::{LeaderEpoch, Offset};

use crate::{ElectionState, SnapshotId};

/// One event. Disk inputs report that an effect has been carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The driver is ready to execute effects. Sent once, first.
    Start,
    /// An [`Effect::PersistElection`](crate::Effect::PersistElection) is on disk, synced.
    ElectionPersisted(ElectionState),
    /// The controller wants a batch appended.
    Append {
        /// Names the batch in the answer; the engine does not look at it.
        token: u64,
        /// The epoch in which the controller decided; a batch of another epoch is refused.
        epoch: LeaderEpoch,
        /// How many records the batch holds, 1 or more.
        records: u32,
    },
    /// Everything below `end` is on disk, synced.
    Synced {
        /// The first offset that is not known to be durable.
        end: Offset,
    },
    /// A write or a sync failed: nothing after it can be trusted.
    DiskFailed,
    /// A snapshot is complete on disk, synced and named.
    SnapshotWritten(SnapshotId),
    /// The process is stopping.
    Stop,
}
