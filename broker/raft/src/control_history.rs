//! The voters and the level of `kraft.version` at every offset that still matters: the newest record is in force as soon as it is
//! appended, and truncating it brings back the one before (KIP-853). Decides nothing.

use barnabas_types::Offset;
use serde::{Deserialize, Serialize};

use crate::{ControlRecord, SnapshotId, VoterSet};

/// Stands below every offset: what the format or the configuration says.
const BEFORE_THE_LOG: Offset = Offset(-1);

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ControlHistory {
    /// In the order of their offsets.
    voters: Vec<(Offset, VoterSet)>,
    versions: Vec<(Offset, u16)>,
}

impl ControlHistory {
    /// What snapshot `id` holds; one that ends at 0 is the format's.
    #[must_use]
    pub fn from_snapshot(id: SnapshotId, kraft_version: u16, voters: Option<VoterSet>) -> Self {
        let offset = Offset(id.end_offset.0.saturating_sub(1)).max(BEFORE_THE_LOG);
        Self {
            voters: voters.map(|voters| (offset, voters)).into_iter().collect(),
            versions: vec![(offset, kraft_version)],
        }
    }

    /// Takes a record of the log. Records come in the order of their offsets.
    pub fn record(&mut self, offset: Offset, record: &ControlRecord) {
        match record {
            ControlRecord::KRaftVersion { version } => self.versions.push((offset, *version)),
            ControlRecord::Voters(voters) => self.voters.push((offset, voters.clone())),
            ControlRecord::LeaderChange { .. } => {}
        }
    }

    /// The voters in force, and the offset of the record that named them: -1 when that is not in the log.
    #[must_use]
    pub fn last_voters(&self) -> Option<(Offset, &VoterSet)> {
        self.voters.last().map(|(offset, voters)| (*offset, voters))
    }

    /// The voters before those in force.
    #[must_use]
    pub fn voters_before(&self) -> Option<&VoterSet> {
        self.voters.iter().rev().nth(1).map(|(_, voters)| voters)
    }

    /// The level of `kraft.version` in force.
    #[must_use]
    pub fn kraft_version(&self) -> u16 {
        self.versions.last().map_or(0, |&(_, version)| version)
    }

    /// The offset of the record that set it.
    #[must_use]
    pub fn kraft_version_offset(&self) -> Offset {
        self.versions.last().map_or(BEFORE_THE_LOG, |&(offset, _)| offset)
    }

    /// The voters after every record below `end`: what a snapshot that ends there holds.
    #[must_use]
    pub fn voters_below(&self, end: Offset) -> Option<&VoterSet> {
        self.voters.iter().rev().find(|(offset, _)| *offset < end).map(|(_, voters)| voters)
    }

    /// The level of `kraft.version` after every record below `end`.
    #[must_use]
    pub fn kraft_version_below(&self, end: Offset) -> u16 {
        self.versions.iter().rev().find(|(offset, _)| *offset < end).map_or(0, |&(_, version)| version)
    }

    /// Forgets everything from `end` on.
    pub(crate) fn truncate(&mut self, end: Offset) {
        self.voters.retain(|(offset, _)| *offset < end);
        self.versions.retain(|(offset, _)| *offset < end);
    }

    /// Forgets what only readers below `start` would ask for.
    pub(crate) fn trim(&mut self, start: Offset) {
        let keep = self.voters.iter().rposition(|(offset, _)| *offset < start).unwrap_or(0);
        self.voters.drain(..keep);
        let keep = self.versions.iter().rposition(|(offset, _)| *offset < start).unwrap_or(0);
        self.versions.drain(..keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReplicaKey, Voter};
    use barnabas_types::{BrokerId, LeaderEpoch, Uuid};

    fn voters(ids: &[i32]) -> VoterSet {
        let voter = |&id: &i32| Voter {
            key: ReplicaKey { id: BrokerId(id), directory_id: Uuid::ZERO },
            endpoints: Vec::new(),
            kraft_version: Default::default(),
        };
        VoterSet(ids.iter().map(voter).collect())
    }

    #[test]
    fn truncating_a_change_brings_back_the_voters_before_it() {
        let mut history = ControlHistory::from_snapshot(SnapshotId::default(), 1, Some(voters(&[1])));
        assert_eq!(history.last_voters(), Some((Offset(-1), &voters(&[1]))));
        history.record(Offset(5), &ControlRecord::Voters(voters(&[1, 2])));
        history.record(Offset(9), &ControlRecord::Voters(voters(&[1, 2, 3])));
        assert_eq!(history.voters_below(Offset(9)), Some(&voters(&[1, 2])));
        history.truncate(Offset(9));
        assert_eq!(history.last_voters(), Some((Offset(5), &voters(&[1, 2]))));
        history.truncate(Offset(0));
        assert_eq!(history.last_voters(), Some((Offset(-1), &voters(&[1]))));
    }

    #[test]
    fn trimming_keeps_what_is_in_force_at_the_new_start() {
        let id = SnapshotId { end_offset: Offset(10), epoch: LeaderEpoch(1) };
        let mut history = ControlHistory::from_snapshot(id, 0, Some(voters(&[1])));
        history.record(Offset(12), &ControlRecord::KRaftVersion { version: 1 });
        history.record(Offset(13), &ControlRecord::Voters(voters(&[1, 2])));
        history.trim(Offset(13));
        assert_eq!(
            (history.kraft_version_below(Offset(13)), history.voters_below(Offset(13))),
            (1, Some(&voters(&[1])))
        );
        history.trim(Offset(14));
        assert_eq!(history.voters_below(Offset(13)), None);
        assert_eq!((history.kraft_version(), history.kraft_version_offset()), (1, Offset(12)));
    }
}
