//! The replica: its role, its log's bounds, and the dispatch of inputs. Logic lives in `on` and `role`.

use std::time::Duration;

use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bug::{self, Bug};
use crate::memory::Memory;
use crate::requests::Requests;
use crate::timers::{Millis, Random, earlier, millis};
use crate::{
    AppendRefusal, Config, ControlHistory, Effect, ElectionState, Endpoint, HaltReason, Input, LeaderHint, LogView,
    MovedVoter, ReplicaKey, Resigned, Role, Unattached, Vote, VoterSet,
};
use crate::{on, validate};

/// What the disk held when the replica started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// What `quorum-state` held; None when there is no such file.
    pub election: Option<ElectionState>,
    /// The bounds of the log.
    pub log: LogView,
    /// The voters and levels of `kraft.version` in the newest snapshot and in the log after it.
    pub control: ControlHistory,
}

/// A configuration that this replica cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The quorum runs at a level that this release does not know.
    #[error(
        "the metadata log has kraft.version {version}, and this release serves {min} to {max}: start the release that wrote it"
    )]
    UnservedKRaftVersion {
        /// The level.
        version: u16,
        /// The lowest served.
        min: u16,
        /// The highest served.
        max: u16,
    },
}

/// A replica of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub(crate) config: Config,
    pub(crate) role: Role,
    pub(crate) log: LogView,
    pub(crate) control: ControlHistory,
    /// Everything below is known to be committed.
    pub(crate) high_watermark: Offset,
    /// What `quorum-state` holds.
    pub(crate) kept: ElectionState,
    pub(crate) memory: Memory,
    pub(crate) requests: Requests,
    pub(crate) random: Random,
    /// What this epoch's follower adds to the fetch timeout.
    pub(crate) patience_ms: Millis,
    /// The leader that was last told.
    pub(crate) told: LeaderHint,
    /// None before the start, then whether a stop was asked for, and whether it has been answered.
    pub(crate) life: Life,
    pub(crate) now_ms: Millis,
    pub(crate) wall: Timestamp,
}

/// Where a replica is between its start and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Life {
    Created,
    Running,
    Stopping,
    Stopped,
    Halted,
}

impl Node {
    /// A replica that left `recovered` on its disk.
    ///
    /// It never takes up a candidacy or a leadership from before: the log may have lost records that were not synced, and an offset
    /// with its epoch must never name two different records. Nor does it vote in such an epoch again.
    ///
    /// # Errors
    /// The quorum runs at a level that this release does not know.
    pub fn new(config: Config, recovered: Recovered) -> Result<Self, StartError> {
        let Recovered { election, log, control } = recovered;
        let (version, served) = (control.kraft_version(), config.kraft_versions);
        if !served.holds(version) {
            return Err(StartError::UnservedKRaftVersion { version, min: served.min, max: served.max });
        }
        let kept = election.unwrap_or_default();
        let memory = Memory::recovered(&config, &kept, &log, &control);
        let forgets = bug::of(&config, Bug::VotesAgainAfterRestart);
        let (epoch, vote) = match kept.voted {
            _ if forgets => (kept.epoch.max(log.last_epoch()), Vote::Free),
            // The log holds records of the epoch: it has its leader. Where `quorum-state` does not know, how this replica voted is lost.
            _ if log.last_epoch() >= kept.epoch && log.last_epoch() > LeaderEpoch(0) => {
                (log.last_epoch(), Vote::Withheld)
            }
            _ if kept.leader.is_some() => (kept.epoch, Vote::Withheld),
            Some(candidate) => (kept.epoch, Vote::Given(candidate)),
            None => (kept.epoch, Vote::Free),
        };
        Ok(Self {
            role: Role::Unattached(Unattached { epoch, vote, election_ms: None }),
            high_watermark: log.snapshot().end_offset,
            log,
            control,
            kept,
            memory,
            requests: Requests::default(),
            random: Random::new(config.seed),
            patience_ms: 0,
            told: LeaderHint::default(),
            life: Life::Created,
            now_ms: 0,
            wall: Timestamp(0),
            config,
        })
    }

    /// What the replica is.
    #[must_use]
    pub const fn role(&self) -> &Role {
        &self.role
    }

    /// The newest epoch that it has seen.
    #[must_use]
    pub const fn epoch(&self) -> LeaderEpoch {
        self.role.epoch()
    }

    /// The log's bounds.
    #[must_use]
    pub const fn log(&self) -> &LogView {
        &self.log
    }

    /// The voters and levels of `kraft.version`.
    #[must_use]
    pub const fn control(&self) -> &ControlHistory {
        &self.control
    }

    /// Everything below is committed, as far as this replica knows; it never goes back.
    #[must_use]
    pub const fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// This replica.
    #[must_use]
    pub const fn key(&self) -> ReplicaKey {
        self.config.key
    }

    /// The voters in force: the last record's, committed or not, else the configured ones.
    #[must_use]
    pub fn voters(&self) -> &VoterSet {
        let newest = || self.control.last_voters().map(|(_, voters)| voters);
        let waits = self.has(Bug::WaitsWithNewVoters);
        let in_force = if waits { self.control.voters_below(self.high_watermark) } else { newest() };
        in_force.unwrap_or(&self.config.configured_voters)
    }

    /// Where voter `id` listens: as the voters say, unless somebody has said that it moved from there; empty when it is no voter.
    pub(crate) fn voter_endpoints(&self, id: BrokerId) -> &[Endpoint] {
        let Some(voter) = self.voters().get(id) else { return &[] };
        let is_moved = |moved: &&MovedVoter| moved.key == voter.key && moved.from.contains(&voter.endpoints);
        self.config.moved_voters.iter().find(is_moved).map_or(&voter.endpoints, |moved| &moved.to)
    }

    /// Who leads, as far as this replica knows.
    #[must_use]
    pub fn leader(&self) -> LeaderHint {
        self.hint()
    }

    /// True when this replica votes and counts.
    #[must_use]
    pub fn is_voter(&self) -> bool {
        self.config.is_controller && self.voters().holds(&self.config.key)
    }

    /// True when this replica may lead: it votes, or did until a change that may not be committed. Such a change may have left it the
    /// longest log, so that the voters that are left could elect nobody else; it does not vote for itself then, and steps down when the
    /// change is committed (Ongaro's dissertation, 4.2.2).
    #[must_use]
    pub fn may_be_elected(&self) -> bool {
        let is_uncommitted = self.control.last_voters().is_some_and(|(offset, _)| offset >= self.high_watermark);
        let was_voter = || self.control.voters_before().is_some_and(|voters| voters.holds(&self.config.key));
        self.is_voter() || (self.config.is_controller && is_uncommitted && was_voter())
    }

    /// Takes one input; pushes what is to be done, in order.
    pub fn handle(&mut self, input: Input, now: Now, out: &mut Vec<Effect>) {
        // A clock that jumps back moves nothing.
        self.now_ms = self.now_ms.max(millis(now.monotonic));
        self.wall = now.wall;
        let before = validate::Before::of(self);
        match self.life {
            Life::Halted => return self.refuse(input, out),
            Life::Created if input != Input::Start => return self.refuse(input, out),
            Life::Created | Life::Running | Life::Stopping | Life::Stopped => self.dispatch(input, out),
        }
        if self.life != Life::Halted {
            on::timeout::poll(self, out);
            self.tell_leader(out);
        }
        if let Err(broken) = validate::validate(self, &before)
            && self.life != Life::Halted
        {
            self.halt(HaltReason::Broken(broken), out);
        }
    }

    fn dispatch(&mut self, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Start => on::start::on_start(self, out),
            Input::Tick => {}
            Input::Request { token, request } => on::request::on_request(self, token, request, out),
            Input::Response { id, response } => on::response::on_response(self, id, response, out),
            Input::RequestFailed { id, failure } => on::response::on_request_failed(self, id, failure, out),
            Input::LeaderSilent { leader, epoch } => on::leader_silent::on_leader_silent(self, leader, epoch),
            Input::Append { token, epoch, records } => on::append::on_append(self, token, epoch, records, out),
            Input::Synced { end } => on::disk::on_synced(self, end, out),
            Input::DiskFailed => self.halt(HaltReason::DiskFailed, out),
            Input::SnapshotWritten(id) => on::snapshot::on_snapshot_written(self, id, out),
            Input::SnapshotInstalled { id, kraft_version, voters } => {
                on::snapshot::on_snapshot_installed(self, id, kraft_version, voters, out);
            }
            Input::SnapshotDamaged(id) => on::snapshot::on_snapshot_damaged(self, id),
            Input::UpgradeKRaftVersion { token, version, validate_only } => {
                on::voter_change::on_upgrade(self, token, version, validate_only, out);
            }
            Input::Resign { epoch } => on::stop::on_resign(self, epoch, out),
            Input::Stop => on::stop::on_stop(self, out),
        }
    }

    /// When [`Input::Tick`] is due, on the monotonic clock; None when only another input can change anything.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        if matches!(self.life, Life::Created | Life::Stopped | Life::Halted) {
            return None;
        }
        let deadline = earlier(on::timeout::deadline(self), self.requests.deadline());
        deadline.map(Duration::from_millis)
    }

    /// Gives up for good.
    pub(crate) fn halt(&mut self, reason: HaltReason, out: &mut Vec<Effect>) {
        let epoch = self.epoch();
        self.leave_leadership(out);
        self.requests.clear();
        self.role = Role::Resigned(Resigned {
            epoch,
            preferred: Vec::new(),
            unacknowledged: std::collections::BTreeSet::new(),
            election_ms: Millis::MAX,
        });
        self.life = Life::Halted;
        out.push(Effect::Halt(reason));
    }

    /// Before the start and after the end: whoever waits for an answer gets one.
    fn refuse(&mut self, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Append { token, .. } => {
                let refusal = AppendRefusal::NotLeader { epoch: self.epoch() };
                out.push(Effect::RefuseAppend { token, refusal });
            }
            Input::Request { token, request } => on::request::refuse(self, token, &request, out),
            Input::UpgradeKRaftVersion { token, .. } => on::voter_change::refuse_upgrade(token, out),
            _ => {}
        }
    }
}
