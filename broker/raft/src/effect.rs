//! What a driver has to do, in the order given, each thing done before the next begins. Closed: the engine asks for nothing else.
//! When one fails on the disk, the driver throws the rest away and hands in [`Input::DiskFailed`](crate::Input::DiskFailed).

use barnabas_types::{BrokerId, LeaderEpoch, Offset};
use serde::{Deserialize, Serialize};

use crate::{Broken, ElectionState, Endpoint, ReplicaKey, Request, RequestId, Response, SnapshotId, VoterSet};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Replace `quorum-state` and sync it before anything else is done: a vote that is told must be kept.
    PersistElection(ElectionState),
    /// Append one control batch.
    AppendControl {
        /// The offset of its first record.
        base_offset: Offset,
        /// The batch's leader epoch.
        epoch: LeaderEpoch,
        /// Its records, in order.
        records: Vec<ControlRecord>,
    },
    /// Append the batch that [`Input::Append`](crate::Input::Append) named.
    Append {
        /// The batch.
        token: u64,
        /// The offset of its first record.
        base_offset: Offset,
        /// Its leader epoch.
        epoch: LeaderEpoch,
    },
    /// Throw the batch away and tell whoever asked.
    RefuseAppend {
        /// The batch.
        token: u64,
        /// Why.
        refusal: AppendRefusal,
    },
    /// Append the first `batches` batches that a Fetch answer brought, as they are.
    AppendFetched {
        /// The answer's bytes.
        token: u64,
        /// How many batches.
        batches: usize,
    },
    /// Remove every record from `end` on. A sync that is under way reports nothing any more.
    Truncate {
        /// The log's new end.
        end: Offset,
    },
    /// Make everything appended so far durable, then hand in [`Input::Synced`](crate::Input::Synced). May be put off a little, so that one
    /// sync serves several of these.
    Sync,
    /// Everything below `high_watermark` is committed: apply it, answer what waited for it.
    Commit {
        /// The first offset that is not committed.
        high_watermark: Offset,
    },
    /// This replica leads `epoch` and has committed a record of it: the controller may decide.
    Lead {
        /// The epoch.
        epoch: LeaderEpoch,
    },
    /// This replica no longer leads `epoch`: the controller drops what is not committed.
    LeadershipLost {
        /// The epoch.
        epoch: LeaderEpoch,
    },
    /// Who leads, for whoever wants to reach the active controller.
    LeaderChanged {
        /// The newest epoch.
        epoch: LeaderEpoch,
        /// Its leader, when known.
        leader: Option<BrokerId>,
        /// Where the leader listens.
        endpoints: Vec<Endpoint>,
    },
    /// This replica may have forgotten what it promised: it has neither votes nor records, and others have. It does not vote meanwhile.
    MemoryDoubted,
    /// It has everything again, and takes part.
    MemoryRegained,
    /// Send a request. Its answer, or that there is none, is handed in under the same id.
    Send {
        /// Names the request.
        id: RequestId,
        /// To whom.
        to: Destination,
        /// What.
        request: Request,
    },
    /// Answer a request.
    Respond {
        /// The request.
        token: u64,
        /// The answer.
        response: Response,
    },
    /// Write a piece of a snapshot into its unfinished file, at `position`; at 0 the file is begun anew.
    WriteSnapshotPiece {
        /// Which snapshot.
        id: SnapshotId,
        /// Where, in bytes.
        position: i64,
        /// The answer's bytes.
        token: u64,
    },
    /// The unfinished file is whole: sync and check it, give it its name, sync the directory, then empty the log so that it begins at the
    /// snapshot's end. Answered by [`Input::SnapshotInstalled`](crate::Input::SnapshotInstalled) or
    /// [`Input::SnapshotDamaged`](crate::Input::SnapshotDamaged). Whoever applies the metadata begins anew from the snapshot.
    InstallSnapshot {
        /// Which.
        id: SnapshotId,
    },
    /// Remove the unfinished file.
    AbandonSnapshot {
        /// Which.
        id: SnapshotId,
    },
    /// Snapshot `to` is durable and a newer one, too: what lies before it, records and snapshots, may go.
    TrimLog {
        /// The oldest snapshot that stays.
        to: SnapshotId,
    },
    /// After [`Input::Stop`](crate::Input::Stop): nobody waits for this replica.
    Stopped,
    /// Stop the quorum replica: it can no longer keep its promises.
    Halt(HaltReason),
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The node, when known; a bootstrap server is only an address.
    pub node: Option<BrokerId>,
    /// Its host.
    pub host: Box<str>,
    /// Its port.
    pub port: u16,
}

/// A record that the quorum writes for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlRecord {
    /// Who leads from here on, first in every epoch.
    LeaderChange {
        /// The leader.
        leader: ReplicaKey,
        /// All voters.
        voters: Vec<ReplicaKey>,
        /// The voters that elected it.
        granting: Vec<ReplicaKey>,
    },
    /// The finalised `kraft.version`.
    KRaftVersion {
        /// 0: voters are configured; 1: voters are in the log.
        version: u16,
    },
    /// The voters from here on.
    Voters(VoterSet),
}

/// Why a batch was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendRefusal {
    /// Only the leader appends.
    #[error("this node does not lead the quorum (epoch {epoch}): find the active controller again")]
    NotLeader {
        /// The current epoch.
        epoch: LeaderEpoch,
    },
    /// The batch was decided under another epoch.
    #[error("the batch was decided in epoch {decided}, the quorum is in {epoch}: decide again")]
    OtherEpoch {
        /// The batch's epoch.
        decided: LeaderEpoch,
        /// The current epoch.
        epoch: LeaderEpoch,
    },
    /// A batch without records has no offset.
    #[error("the batch holds no record")]
    Empty,
    /// Offsets end at 2^63 - 1.
    #[error("{records} records after offset {log_end} would leave the range of offsets")]
    OffsetsExhausted {
        /// The end of the log.
        log_end: Offset,
        /// The size of the batch.
        records: u32,
    },
}

/// Why a replica stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HaltReason {
    /// The log or `quorum-state` could not be written.
    #[error("the metadata log's disk failed")]
    DiskFailed,
    /// Epochs end at 2^31 - 1.
    #[error("the quorum is in epoch {epoch}, the last that Kafka's format can hold")]
    EpochsExhausted {
        /// The last epoch.
        epoch: LeaderEpoch,
    },
    /// An input contradicts what the engine knows.
    #[error("an invariant of the quorum is broken: {0}")]
    Broken(Broken),
}
