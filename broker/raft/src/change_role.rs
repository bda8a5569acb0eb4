//! The ways from one role to another, with what has to be kept, told and given up on each. Decides neither when nor why.

use std::collections::{BTreeMap, BTreeSet};

use barnabas_types::{BrokerId, LeaderEpoch, Offset};

use crate::memory::Memory;
use crate::node::{Life, Node};
use crate::{
    Broken, Candidate, ControlRecord, Destination, Effect, ElectionState, Endpoint, ErrorCode, Follower, HaltReason,
    Leader, LeaderHint, Prospective, ReplicaKey, Resigned, Role, Unattached, Vote, Votes, on,
};

impl Node {
    /// Keeps `state` on disk, unless it is there.
    pub(crate) fn keep(&mut self, state: ElectionState, out: &mut Vec<Effect>) {
        if self.kept == state {
            return;
        }
        if !self.memory.is_whole() {
            // The first vote of a new quorum. What has promised nothing has nothing to keep, and would be taken for one that has.
            if state.voted.is_none() {
                return;
            }
            self.memory = Memory::Whole;
        }
        self.kept = state;
        // Nobody has heard of the one before: one write and one sync will do.
        match out.last_mut() {
            Some(Effect::PersistElection(before)) => *before = state,
            _ => out.push(Effect::PersistElection(state)),
        }
    }

    /// Whom to name as the leader. Who has resigned names nobody: following it would lose time.
    pub(crate) fn hint(&self) -> LeaderHint {
        let (leader, endpoints) = match &self.role {
            Role::Leader(_) => (Some(self.config.key.id), self.config.endpoints.as_slice()),
            Role::Follower(follower) if !follower.has_ended => (Some(follower.leader), follower.endpoints.as_slice()),
            Role::Prospective(Prospective { leader: Some((id, endpoints)), .. }) => (Some(*id), endpoints.as_slice()),
            Role::Follower(_) | Role::Prospective(_) | Role::Unattached(_) | Role::Candidate(_) | Role::Resigned(_) => {
                (None, [].as_slice())
            }
        };
        LeaderHint { epoch: self.epoch(), leader, endpoints: endpoints.to_vec() }
    }

    /// Tells who leads, when that is news.
    pub(crate) fn tell_leader(&mut self, out: &mut Vec<Effect>) {
        let hint = self.hint();
        if self.told != hint {
            self.told = hint.clone();
            out.push(Effect::LeaderChanged { epoch: hint.epoch, leader: hint.leader, endpoints: hint.endpoints });
        }
    }

    /// Where to reach a node that listens on `endpoints`: by the quorum's listener, else by the first.
    pub(crate) fn destination(&self, node: BrokerId, endpoints: &[Endpoint]) -> Option<Destination> {
        let by_name = endpoints.iter().find(|endpoint| endpoint.name == self.config.listener);
        let endpoint = by_name.or_else(|| endpoints.first())?;
        Some(Destination { node: Some(node), host: endpoint.host.clone(), port: endpoint.port })
    }

    /// A random election timeout from now; one that never passes for an observer.
    pub(crate) fn election_timeout(&mut self) -> u64 {
        self.now_ms.saturating_add(self.random.timeout(self.config.election_timeout_ms))
    }

    /// When a follower gives up a leader from which it has just heard.
    pub(crate) fn fetch_timeout(&self) -> u64 {
        self.now_ms.saturating_add(self.config.fetch_timeout_ms).saturating_add(self.patience_ms)
    }

    /// Answers whoever waits for this leader, and tells the controller. Does nothing in other roles.
    pub(crate) fn leave_leadership(&mut self, out: &mut Vec<Effect>) {
        let Role::Leader(leader) = &mut self.role else { return };
        let (epoch, parked, change) = (leader.epoch, std::mem::take(&mut leader.parked), leader.change.take());
        out.push(Effect::LeadershipLost { epoch });
        for fetch in parked {
            on::fetch::answer_error(self, fetch.token, ErrorCode::NotLeaderOrFollower, out);
        }
        if let Some(change) = change {
            on::voter_change::answer(&change, ErrorCode::NotLeaderOrFollower, None, out);
        }
    }

    /// Removes what was downloaded of a snapshot, when the role that downloads it ends.
    fn leave_download(&mut self, out: &mut Vec<Effect>) {
        if let Role::Follower(Follower { download: Some(download), .. }) = &self.role {
            out.push(Effect::AbandonSnapshot { id: download.id });
        }
    }

    fn enter(&mut self, role: Role) {
        self.doubt_again(role.epoch());
        self.role = role;
        self.requests.clear();
    }

    /// A newer epoch, or the same one without a leader.
    pub(crate) fn become_unattached(&mut self, epoch: LeaderEpoch, vote: Vote, out: &mut Vec<Effect>) {
        // Who is on the way to an election stays on it: newer epochs would put it off again and again.
        let under_way = match &self.role {
            Role::Unattached(unattached) if epoch > unattached.epoch => unattached.election_ms,
            Role::Candidate(candidate) => Some(candidate.election_ms),
            Role::Prospective(prospective) if epoch > prospective.epoch => Some(prospective.election_ms),
            _ => None,
        };
        let election_ms = match (self.may_be_elected(), under_way) {
            (false, _) => None,
            (true, Some(election_ms)) => Some(election_ms),
            (true, None) => Some(self.election_timeout()),
        };
        if epoch > self.kept.epoch {
            self.keep(ElectionState::seen(epoch), out);
        }
        self.leave_leadership(out);
        self.leave_download(out);
        self.enter(Role::Unattached(Unattached { epoch, vote, election_ms }));
    }

    /// `leader` leads `epoch`, this one or a newer.
    pub(crate) fn become_follower(
        &mut self,
        epoch: LeaderEpoch,
        leader: BrokerId,
        endpoints: Vec<Endpoint>,
        out: &mut Vec<Effect>,
    ) {
        let voted = self.kept.voted.filter(|_| self.kept.epoch == epoch);
        self.keep(ElectionState { epoch, leader: Some(leader), voted }, out);
        self.leave_leadership(out);
        self.leave_download(out);
        self.patience_ms = match self.config.fetch_timeout_spread_ms {
            0 => 0,
            spread_ms => self.random.below(spread_ms),
        };
        let (heard_ms, fetch_ms) = (self.now_ms, self.fetch_timeout());
        let follower = Follower {
            epoch,
            leader,
            endpoints,
            vote: Vote::Withheld,
            has_fetched: false,
            has_ended: false,
            is_gone: false,
            leader_high_watermark: None,
            download: None,
            heard_ms,
            fetch_ms,
            update_voter_ms: fetch_ms,
            has_updated: false,
        };
        self.enter(Role::Follower(follower));
    }

    /// Asks the others whether they would vote for this replica.
    pub(crate) fn become_prospective(&mut self, out: &mut Vec<Effect>) {
        let (epoch, vote, leader) = match &self.role {
            Role::Unattached(unattached) => (unattached.epoch, unattached.vote, None),
            Role::Follower(follower) => {
                let leader = (!follower.has_ended).then(|| (follower.leader, follower.endpoints.clone()));
                (follower.epoch, follower.vote, leader)
            }
            Role::Candidate(candidate) => (candidate.epoch, Vote::Given(self.config.key), None),
            Role::Prospective(_) | Role::Leader(_) | Role::Resigned(_) => return,
        };
        self.leave_download(out);
        let votes = Votes::new(self.voters(), &self.config.key);
        let election_ms = self.election_timeout();
        self.enter(Role::Prospective(Prospective { epoch, leader, vote, votes, election_ms }));
    }

    /// Stands for election in the next epoch. Always a new one: its own vote is on disk before anybody hears of it.
    pub(crate) fn become_candidate(&mut self, out: &mut Vec<Effect>) {
        let Some(next) = self.epoch().0.checked_add(1) else {
            self.halt(HaltReason::EpochsExhausted { epoch: self.epoch() }, out);
            return;
        };
        let epoch = LeaderEpoch(next);
        self.keep(ElectionState::voted(epoch, self.config.key), out);
        let votes = Votes::new(self.voters(), &self.config.key);
        let election_ms = self.election_timeout();
        self.enter(Role::Candidate(Candidate { epoch, votes, election_ms }));
    }

    /// Leads: begins the epoch in the log.
    pub(crate) fn become_leader(&mut self, out: &mut Vec<Effect>) {
        let Role::Candidate(candidate) = &self.role else { return };
        let (epoch, granting) = (candidate.epoch, candidate.votes.granting());
        let epoch_start = self.log.end();
        let records = self.first_records(granting);
        self.keep(ElectionState { epoch, leader: Some(self.config.key.id), voted: Some(self.config.key) }, out);
        let leader = Leader {
            epoch,
            epoch_start,
            high_watermark: None,
            replicas: BTreeMap::new(),
            change: None,
            parked: Vec::new(),
            fetched: BTreeSet::new(),
            check_quorum_ms: self.now_ms.saturating_add(self.config.fetch_timeout_ms.saturating_mul(3) / 2),
            begin_epoch_ms: self.now_ms,
            reported: BTreeMap::new(),
        };
        self.enter(Role::Leader(leader));
        self.append_control(records, out);
    }

    /// The LeaderChange, and the voters where they belong into the log and are not in it (or listen elsewhere by now).
    fn first_records(&self, granting: Vec<ReplicaKey>) -> Vec<ControlRecord> {
        let voters = self.voters().keys();
        let mut records = vec![ControlRecord::LeaderChange { leader: self.config.key, voters, granting }];
        let version = self.control.kraft_version();
        if version >= 1
            && let Some((offset, voters)) = self.control.last_voters()
        {
            let updated = voters.updated(&self.config.voter()).unwrap_or_else(|| voters.clone());
            if offset.0 < 0 || updated != *voters {
                records.push(ControlRecord::KRaftVersion { version });
                records.push(ControlRecord::Voters(updated));
            }
        }
        records
    }

    /// Appends control records as one batch of the leader's epoch; they are in force at once. Returns the offset of the last.
    pub(crate) fn append_control(&mut self, records: Vec<ControlRecord>, out: &mut Vec<Effect>) -> Option<Offset> {
        let epoch = self.epoch();
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let log_end = self.log.end();
        self.log.begin_epoch(epoch);
        let Some(base_offset) = self.log.extend(count) else {
            self.halt(HaltReason::Broken(Broken::OffsetsExhausted { log_end }), out);
            return None;
        };
        for (index, record) in (0..).zip(&records) {
            let offset = base_offset.plus(index);
            if let (ControlRecord::Voters(new), Some((_, old))) = (record, self.control.last_voters())
                && !new.overlaps(old)
            {
                self.halt(HaltReason::Broken(Broken::VotersDoNotOverlap { offset }), out);
                return None;
            }
            self.control.record(offset, record);
        }
        out.push(Effect::AppendControl { base_offset, epoch, records });
        out.push(Effect::Sync);
        Some(base_offset.plus(i64::from(count)).plus(-1))
    }

    /// Steps down from leading, and says so to the voters.
    pub(crate) fn become_resigned(&mut self, out: &mut Vec<Effect>) {
        let Role::Leader(leader) = &self.role else { return };
        let epoch = leader.epoch;
        let preferred = leader.successors(&self.config.key, self.voters());
        let unacknowledged = preferred.iter().map(|key| key.id).collect();
        let election_ms = self.election_timeout();
        self.leave_leadership(out);
        self.enter(Role::Resigned(Resigned { epoch, preferred, unacknowledged, election_ms }));
    }

    /// True while this replica may begin elections.
    pub(crate) fn may_stand(&self) -> bool {
        self.life == Life::Running && self.may_be_elected() && self.remembers()
    }

    /// Who was elected in this epoch, as far as this replica knows, though it may have stepped down since.
    fn known_leader(&self) -> Option<BrokerId> {
        match &self.role {
            Role::Follower(follower) => Some(follower.leader),
            Role::Prospective(prospective) => prospective.leader.as_ref().map(|(leader, _)| *leader),
            Role::Leader(_) | Role::Resigned(_) => Some(self.config.key.id),
            Role::Unattached(_) | Role::Candidate(_) => None,
        }
    }

    /// Takes in what another node says about who leads. False, and nothing is changed, when it contradicts what this replica knows: two
    /// leaders in one epoch.
    pub(crate) fn learn(&mut self, hint: &LeaderHint, out: &mut Vec<Effect>) -> bool {
        let (own, epoch) = (self.config.key.id, self.epoch());
        if hint.epoch < epoch {
            return true;
        }
        if hint.leader.is_some() && hint.epoch > LeaderEpoch(0) {
            self.doubt(out);
        }
        let known = self.known_leader();
        match hint.leader {
            // It led that epoch before it was started again, and others do not know that it does no more. What else they say counts: a
            // vote, above all, or an epoch would last forever in which everybody waits for it.
            Some(leader) if leader == own => {
                if hint.epoch > epoch {
                    self.become_unattached(hint.epoch, Vote::Withheld, out);
                }
                return true;
            }
            Some(leader) if hint.epoch == epoch && known.is_some_and(|known| known != leader) => return false,
            _ => {}
        }
        let endpoints = |node: &Self, leader| match hint.endpoints.as_slice() {
            [] => node.voter_endpoints(leader).to_vec(),
            said => said.to_vec(),
        };
        let follow = match (hint.leader, &self.role) {
            (None, _) => None,
            // It has said itself that it steps down.
            (Some(leader), Role::Follower(follower)) if hint.epoch == epoch && follower.leader == leader => None,
            (Some(_), Role::Leader(_) | Role::Resigned(_)) if hint.epoch == epoch => None,
            (Some(leader), Role::Prospective(prospective)) if hint.epoch == epoch && prospective.leader.is_some() => {
                debug_assert_eq!(known, Some(leader), "another one is refused above");
                None
            }
            (Some(leader), _) => Some((leader, endpoints(self, leader))).filter(|(_, endpoints)| !endpoints.is_empty()),
        };
        match follow {
            Some((leader, endpoints)) => self.become_follower(hint.epoch, leader, endpoints, out),
            None if hint.epoch > epoch => {
                let vote = if hint.leader.is_some() { Vote::Withheld } else { Vote::Free };
                self.become_unattached(hint.epoch, vote, out);
            }
            None => {}
        }
        true
    }
}
