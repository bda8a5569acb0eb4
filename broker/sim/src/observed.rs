//! What the simulator has seen of every replica, running or not, and what is known to be committed. Invariants read it; nothing in it
//! comes from what a replica says about others.

use std::collections::BTreeMap;

use barnabas_raft::{ReplicaKey, SnapshotId};

use crate::chain::{Chain, Link};
use crate::network::Place;

/// A replica's role, without its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RoleName {
    /// Knows an epoch and no leader.
    #[default]
    Unattached,
    /// Fetches from a leader.
    Follower,
    /// Asks whether it would be elected.
    Prospective,
    /// Asks for votes.
    Candidate,
    /// Appends.
    Leader,
    /// Has given up.
    Resigned,
}

/// Where a replica stands in elections.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Standing {
    /// Its role.
    pub role: RoleName,
    /// Its epoch.
    pub epoch: i32,
    /// Who leads that epoch, as far as it knows.
    pub leader: Option<i32>,
    /// Whom it voted for in that epoch.
    pub voted: Option<ReplicaKey>,
    /// Everything below is committed, as far as it knows.
    pub high_watermark: Option<i64>,
    /// The voters in force for it.
    pub voters: Vec<ReplicaKey>,
    /// The offset after the record that named them.
    pub voters_end: i64,
}

/// A replica.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Which; the directory changes when the disk does.
    pub key: ReplicaKey,
    /// Its process is there.
    pub running: bool,
    /// Its disk does not hold what was written.
    pub damaged: bool,
    /// It has taken part, with this disk: it has something committed, and knows what it promised.
    pub settled: bool,
    /// Where it stands; where it stood last, when it is not running.
    pub standing: Standing,
    /// Its log, synced or not.
    pub log: Chain,
    /// The voters that its newest snapshot and its log after that name, by the offset after them.
    pub voters_in_log: Vec<(i64, Vec<ReplicaKey>)>,
    /// Everything below survives a power cut.
    pub durable_end: i64,
}

impl Replica {
    /// One that was never started.
    #[must_use]
    pub fn new(key: ReplicaKey) -> Self {
        Self {
            key,
            running: false,
            damaged: false,
            settled: false,
            standing: Standing::default(),
            log: Chain::default(),
            voters_in_log: Vec::new(),
            durable_end: 0,
        }
    }
}

/// A batch that is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The epoch of its leader.
    pub epoch: i32,
    /// The hash of the log up to its end.
    pub history: u64,
}

/// All that was seen.
#[derive(Debug, Default)]
pub struct Observed {
    /// By place.
    pub replicas: Vec<Replica>,
    /// Those whose disk is lost, as they were.
    pub lost: Vec<Replica>,
    /// The voters while no log names any.
    pub configured: Vec<ReplicaKey>,
    /// What any replica ever held to be committed, by the offset after it.
    pub committed: BTreeMap<i64, Committed>,
}

impl Observed {
    /// The offset after everything that is committed.
    #[must_use]
    pub fn committed_end(&self) -> i64 {
        self.committed.last_key_value().map_or(0, |(&end, _)| end)
    }

    /// True while the directory of the replica with `key` exists and holds what was written, all that was promised included.
    #[must_use]
    pub fn is_whole(&self, key: ReplicaKey) -> bool {
        self.replicas.iter().any(|replica| replica.key == key && !replica.damaged && replica.settled)
    }
}

/// Something that was seen just now. `Observed` shows the state after it.
#[derive(Clone, Debug)]
pub enum Fact {
    /// A process has started and read its disk. The log before is what it had when it last ran, with its durable end.
    Started {
        /// Where.
        place: Place,
        /// The log before.
        before: Chain,
        /// Everything of it below was synced.
        durable_end: i64,
    },
    /// A replica stands elsewhere.
    Moved {
        /// Where.
        place: Place,
        /// How it stood before.
        before: Standing,
    },
    /// A replica has added a batch to its log.
    Appended {
        /// Where.
        place: Place,
        /// The batch.
        link: Link,
        /// The voters in it.
        voters: Option<Vec<ReplicaKey>>,
    },
    /// A replica has cut its log.
    Truncated {
        /// Where.
        place: Place,
        /// The log before.
        before: Chain,
    },
    /// A replica has replaced its log by a snapshot.
    Installed {
        /// Where.
        place: Place,
        /// The snapshot.
        id: SnapshotId,
    },
    /// A replica has written a snapshot.
    SnapshotTaken {
        /// Where.
        place: Place,
        /// The snapshot.
        id: SnapshotId,
    },
    /// A replica has applied everything below an offset.
    Applied {
        /// Where.
        place: Place,
        /// The offset.
        offset: i64,
        /// A hash of the image.
        image: u64,
        /// The image comes from a snapshot, not from records.
        from_snapshot: bool,
    },
    /// A client has heard that what it asked for is done.
    Acknowledged {
        /// Who said so.
        place: Place,
        /// The offset after its records.
        end: i64,
        /// The epoch of their batch.
        epoch: i32,
    },
    /// A replica has done all that one event brought about, and its log and its engine are to agree.
    Settled {
        /// Where.
        place: Place,
    },
    /// A broker has heard that it is registered.
    Registered {
        /// Where.
        place: Place,
        /// In which life of its process.
        life: u32,
        /// The epoch that it was given.
        epoch: i64,
    },
    /// A broker has heard that it may lead.
    LetIn {
        /// Where.
        place: Place,
        /// The epoch of its registration.
        epoch: i64,
        /// It has applied everything below.
        applied: i64,
    },
    /// A replica has given its vote, durably.
    Voted {
        /// Who.
        place: Place,
        /// In which epoch.
        epoch: i32,
        /// To whom.
        candidate: ReplicaKey,
    },
}
