//! The replica that appends. What a majority of the voters has on disk is committed, once that includes a record of its own epoch.

use std::collections::{BTreeMap, BTreeSet};

use barnabas_types::{BrokerId, LeaderEpoch, Offset, Timestamp};
use serde::{Deserialize, Serialize};

use crate::timers::Millis;
use crate::{Endpoint, ReplicaKey, Voter, VoterSet};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// The epoch it leads.
    pub epoch: LeaderEpoch,
    /// The offset of the epoch's first record, the LeaderChange.
    pub epoch_start: Offset,
    /// Everything below is committed; None until the LeaderChange is.
    pub high_watermark: Option<Offset>,
    /// Everybody else who fetches, voters and observers.
    #[serde(with = "barnabas_types::pairs")]
    pub replicas: BTreeMap<ReplicaKey, Progress>,
    /// The change of the voters that somebody waits for.
    pub change: Option<VoterChange>,
    /// Fetches that wait for something to say.
    pub parked: Vec<ParkedFetch>,
    /// Voters that have fetched since `check_quorum_ms` was last put off.
    pub(crate) fetched: BTreeSet<BrokerId>,
    /// Without Fetches of a majority until then it steps down.
    pub(crate) check_quorum_ms: Millis,
    /// When the voters that do not fetch are told next who leads.
    pub(crate) begin_epoch_ms: Millis,
    /// What voters have said about themselves, for the day that `kraft.version` is raised from 0.
    pub(crate) reported: BTreeMap<BrokerId, Voter>,
}

/// How far another replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Everything below is durable there; None before its first good Fetch.
    pub log_end: Option<Offset>,
    /// When it last fetched, by the calendar.
    pub last_fetch: Option<Timestamp>,
    /// When it last had everything, by the calendar.
    pub last_caught_up: Option<Timestamp>,
    /// When it last fetched.
    pub(crate) last_fetch_ms: Option<Millis>,
    /// The leader's log end at that time.
    pub(crate) leader_end: Offset,
}

/// A change of the voters, or of `kraft.version`, that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoterChange {
    /// Whom to answer.
    pub token: u64,
    /// What is being done.
    pub kind: ChangeKind,
    /// The offset of its last record, once appended.
    pub offset: Option<Offset>,
    /// When whoever asked is told that it took too long.
    pub(crate) expires_ms: Millis,
}

/// What a [`VoterChange`] does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeKind {
    /// Adds a voter, which is first asked what it supports.
    Add {
        /// The voter.
        key: ReplicaKey,
        /// Where it listens.
        endpoints: Vec<Endpoint>,
        /// Answer only when committed.
        ack_when_committed: bool,
    },
    /// Removes a voter.
    Remove,
    /// Raises `kraft.version`.
    Upgrade,
}

/// A Fetch that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedFetch {
    /// The request.
    pub token: u64,
    /// Who asks.
    pub replica: ReplicaKey,
    /// From where.
    pub offset: Offset,
    /// At most that many bytes.
    pub max_bytes: i32,
    /// What the asker knows to be committed, when it says.
    pub high_watermark: Option<Offset>,
    /// When it is answered anyway.
    pub(crate) expires_ms: Millis,
}

impl Leader {
    /// The offset below which a majority of `voters` has everything on disk, if that moves the high watermark. `own_end` counts for
    /// `own`, and only where that is a voter. Nothing commits before the epoch's first record does, as in Raft: records of older
    /// epochs commit with it, never by themselves. It never moves back, though it may seem so after a change of the voters.
    pub(crate) fn committed(&self, own: &ReplicaKey, own_end: Offset, voters: &VoterSet) -> Option<Offset> {
        let end = |voter: &Voter| {
            if voter.key.matches(own) {
                Some(own_end)
            } else {
                self.replicas.get(&voter.key).and_then(|other| other.log_end)
            }
        };
        let mut ends: Vec<_> = voters.0.iter().map(end).collect();
        ends.sort_unstable_by(|left, right| right.cmp(left));
        let committed = ends.get(voters.majority().checked_sub(1)?).copied().flatten()?;
        (committed > self.epoch_start && Some(committed) > self.high_watermark).then_some(committed)
    }

    /// The voters other than `own`, the one with the longest log first.
    pub(crate) fn successors(&self, own: &ReplicaKey, voters: &VoterSet) -> Vec<ReplicaKey> {
        let mut others: Vec<_> = voters.keys().into_iter().filter(|key| !key.matches(own)).collect();
        let end = |key: &ReplicaKey| self.replicas.get(key).and_then(|replica| replica.log_end);
        others.sort_by_key(|key| std::cmp::Reverse(end(key)));
        others
    }
}
