//! What a replica remembers of its promises: the votes that it gave, and the records that it said it has. A voter whose disk was replaced and
//! formatted as the first one was is, by all its keys, the voter that made them. Decides when such a voter counts again; sends nothing.
//!
//! `quorum-state` is the sign: it is first written with a vote, or once a replica has everything. A voter without it either has never taken part
//! or has forgotten. While all voters may be new it takes part as ever, or no quorum could begin. As soon as it hears that others have a
//! leader or records it is in doubt, and then neither votes nor stands nor counts for what is committed, until
//!
//! 1. a majority of the voters, itself left out, has said since it started that they are in the leader's epoch: whatever election it had
//!    helped to win before, one of them would know it;
//! 2. it has copied, as nobody in particular, all that this leader holds to be committed;
//! 3. it has then fetched as itself, so that the leader counts what it has and no longer what it had, and again has all that is committed.
//!
//! What this relies on: fewer than a majority forget at a time, and a replica that forgets stays away for longer than a message is on its way
//! and an election takes. The recovery of Viewstamped Replication (Liskov and Cowling, 2012, section 4.3) has the same shape; that a
//! delayed message breaks it is from Michael et al., "Recovering Shared Objects Without Stable Storage" (2017).

use std::collections::BTreeSet;

use barnabas_types::{BrokerId, LeaderEpoch, Offset, Uuid};
use serde::{Deserialize, Serialize};

use crate::bug::{self, Bug};
use crate::{Config, ControlHistory, Effect, ElectionState, LogView, Node, ReplicaKey, Role};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Memory {
    /// The disk holds every promise that this replica made.
    Whole,
    /// No vote, no record, and nobody has said that there is a quorum.
    Blank,
    /// There is a quorum, to which this replica may have promised something.
    Doubted {
        /// The epoch of which the others spoke.
        epoch: LeaderEpoch,
        /// Who has said that it is in that epoch.
        confirmed: BTreeSet<BrokerId>,
    },
    /// Nothing newer than the epoch of this replica's leader can rest on what was forgotten: that leader may count what this replica has.
    Returning,
}

impl Memory {
    /// That of a replica whose disk held this when it started.
    pub(crate) fn recovered(config: &Config, kept: &ElectionState, log: &LogView, control: &ControlHistory) -> Self {
        let voters = control.last_voters().map_or(&config.configured_voters, |(_, voters)| voters);
        let may_have_promised = config.is_controller && voters.holds(&config.key) && !voters.is_only(&config.key);
        if *kept != ElectionState::default() || !may_have_promised || bug::of(config, Bug::TrustsAnEmptyDisk) {
            Self::Whole
        } else if log.end() == Offset(0) && !config.quorum_is_formed {
            Self::Blank
        } else {
            Self::doubted(log.last_epoch())
        }
    }

    const fn doubted(epoch: LeaderEpoch) -> Self {
        Self::Doubted { epoch, confirmed: BTreeSet::new() }
    }

    /// True when what was promised is known, so that `quorum-state` is kept.
    pub(crate) const fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    /// True while others may rely on what this replica does not know.
    pub(crate) const fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Doubted { .. } | Self::Returning)
    }
}

impl Node {
    /// False while this replica, a voter, may have forgotten votes and records: it neither votes nor counts then.
    #[must_use]
    pub const fn remembers(&self) -> bool {
        !self.memory.is_in_doubt()
    }

    /// Somebody has a leader or records: who has nothing may have had them, too.
    pub(crate) fn doubt(&mut self, out: &mut Vec<Effect>) {
        if self.memory != Memory::Blank {
            return;
        }
        self.memory = Memory::doubted(self.epoch());
        out.push(Effect::MemoryDoubted);
        if let Role::Prospective(prospective) = &self.role {
            let (epoch, vote) = (prospective.epoch, prospective.vote);
            self.become_unattached(epoch, vote, out);
        }
    }

    /// This replica enters a role of `epoch`: what was confirmed of another one says nothing.
    pub(crate) fn doubt_again(&mut self, epoch: LeaderEpoch) {
        if self.memory == Memory::Returning {
            self.memory = Memory::doubted(epoch);
        }
    }

    /// `voter` has said, since this replica started, that it is in `epoch`.
    pub(crate) fn confirm(&mut self, voter: BrokerId, epoch: LeaderEpoch) {
        match &mut self.memory {
            Memory::Doubted { epoch: known, confirmed } if *known == epoch => _ = confirmed.insert(voter),
            Memory::Doubted { .. } => self.memory = Memory::Doubted { epoch, confirmed: [voter].into() },
            Memory::Whole | Memory::Blank | Memory::Returning => {}
        }
    }

    /// The other voters that have not confirmed the epoch in which this replica is, while that matters.
    pub(crate) fn unconfirmed(&self) -> Vec<BrokerId> {
        let Memory::Doubted { epoch, confirmed } = &self.memory else { return Vec::new() };
        let is_confirmed = |id: &BrokerId| *epoch == self.epoch() && confirmed.contains(id);
        let others = self.voters().0.iter().map(|voter| voter.key.id).filter(|id| *id != self.config.key.id);
        others.filter(|id| !is_confirmed(id)).collect()
    }

    /// Lets the leader count this replica where nothing newer can rest on what it forgot. Only between two Fetches: the answer to the next one is to
    /// be the first that counts.
    pub(crate) fn return_when_confirmed(&mut self) {
        if !matches!(self.memory, Memory::Doubted { .. }) {
            return;
        }
        let others = self.voters().0.iter().filter(|voter| voter.key.id != self.config.key.id).count();
        let is_confirmed = others - self.unconfirmed().len() >= self.voters().majority().min(others.max(1));
        let believes = self.has(Bug::TrustsTheFirstLeader);
        if (believes || (is_confirmed && self.has_copied()))
            && let Role::Follower(follower) = &mut self.role
        {
            follower.leader_high_watermark = None;
            self.memory = Memory::Returning;
        }
    }

    fn has_copied(&self) -> bool {
        let Role::Follower(follower) = &self.role else { return false };
        follower.leader_high_watermark.is_some_and(|committed| self.log.durable_end() >= committed)
    }

    /// Takes part again, once the leader counts what this replica has, and that is all that is committed.
    pub(crate) fn remember(&mut self, out: &mut Vec<Effect>) {
        let epoch = self.epoch();
        let Role::Follower(follower) = &self.role else { return };
        let leader = follower.leader;
        if self.memory == Memory::Returning && self.has_copied() {
            self.memory = Memory::Whole;
            self.keep(ElectionState::led(epoch, leader), out);
            out.push(Effect::MemoryRegained);
        }
    }

    /// As whom this replica fetches: as nobody while nothing may count that it says it has.
    pub(crate) const fn fetches_as(&self) -> ReplicaKey {
        match self.memory {
            Memory::Whole | Memory::Returning => self.config.key,
            Memory::Blank | Memory::Doubted { .. } => ReplicaKey { id: BrokerId(-1), directory_id: Uuid::ZERO },
        }
    }
}
