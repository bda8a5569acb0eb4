//! The replica: its role, its log's bounds, and the dispatch of inputs. Logic lives in `on` and `role`.

use barnabas_types::BrokerId;

use crate::{Effect, ElectionState, HaltReason, Input, LogView, ReplicaKey, Resigned, Role, Unattached, VoterSet};
use crate::{on, validate};

/// What does not change while a replica runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This replica.
    pub key: ReplicaKey,
    /// The members of the quorum, this replica's endpoints as they are now.
    pub voters: VoterSet,
    /// The finalised `kraft.version`: 0 or 1.
    pub kraft_version: u16,
    /// The voters of the last Voters record in the log itself. A bootstrap snapshot does not count.
    pub voters_in_log: Option<VoterSet>,
}

/// A configuration that this replica cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// This node is not a voter.
    #[error(
        "replica {key} is not among the voters {voters:?}: node.id and directory.id must be those the quorum was formatted with"
    )]
    NotAVoter {
        /// This replica.
        key: ReplicaKey,
        /// The voters.
        voters: Vec<ReplicaKey>,
    },
    /// There are other voters.
    #[error("the quorum has other voters ({others:?}): this release runs a quorum of one; leave only this node in it")]
    OtherVoters {
        /// Their ids.
        others: Vec<BrokerId>,
    },
}

/// A replica of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub(crate) config: Config,
    pub(crate) role: Role,
    pub(crate) log: LogView,
}

impl Node {
    /// A replica that last left `election` in `quorum-state` (None when there is no such file) and `log` on disk.
    ///
    /// # Errors
    /// This replica is not the quorum's only voter.
    pub fn new(config: Config, election: Option<ElectionState>, log: LogView) -> Result<Self, StartError> {
        let others: Vec<_> =
            config.voters.0.iter().map(|voter| voter.key.id).filter(|&id| id != config.key.id).collect();
        if !others.is_empty() {
            return Err(StartError::OtherVoters { others });
        }
        if config.voters.get(config.key.id).is_none_or(|voter| voter.key != config.key) {
            return Err(StartError::NotAVoter { key: config.key, voters: config.voters.keys() });
        }
        let epoch = election.unwrap_or_default().epoch.max(log.last_epoch());
        Ok(Self { config, role: Role::Unattached(Unattached { epoch }), log })
    }

    /// What the replica is.
    #[must_use]
    pub const fn role(&self) -> &Role {
        &self.role
    }

    /// The log's bounds.
    #[must_use]
    pub const fn log(&self) -> &LogView {
        &self.log
    }

    /// Takes one input; pushes what is to be done, in order.
    pub fn handle(&mut self, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Start => on::start::on_start(self, out),
            Input::ElectionPersisted(kept) => on::disk::on_election_persisted(self, kept, out),
            Input::Append { token, epoch, records } => on::append::on_append(self, token, epoch, records, out),
            Input::Synced { end } => on::disk::on_synced(self, end, out),
            Input::DiskFailed => on::disk::on_disk_failed(self, out),
            Input::SnapshotWritten(id) => on::snapshot::on_snapshot_written(self, id, out),
            Input::Stop => on::stop::on_stop(self, out),
        }
        if let Err(broken) = validate::validate(self) {
            self.halt(HaltReason::Broken(broken), out);
        }
    }

    /// Gives up for good.
    pub(crate) fn halt(&mut self, reason: HaltReason, out: &mut Vec<Effect>) {
        let epoch = self.role.epoch();
        if matches!(self.role, Role::Leader(_)) {
            out.push(Effect::LeadershipLost { epoch });
        }
        self.role = Role::Resigned(Resigned { epoch });
        out.push(Effect::Halt(reason));
    }
}
