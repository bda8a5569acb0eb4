//! What others ask a replica: may this be appended, is that kept, who may fetch, how is the partition. Changes nothing.

use std::time::Duration;

use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset};

use crate::leader::{Others, Step};
use crate::replica::{Leader, Replica, Role};
use crate::time::millis;
use crate::{Around, FollowerFacts};

/// Why something is not done. Named as Kafka's error codes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// This broker does not lead.
    NotLeaderOrFollower,
    /// It has no replica.
    UnknownTopicOrPartition,
    /// Who asks believes in an older epoch.
    FencedLeaderEpoch,
    /// Who asks believes in a newer epoch, or is not known to be a replica yet.
    UnknownLeaderEpoch,
    /// Fewer members are in sync than `min.insync.replicas`: nothing was appended.
    NotEnoughReplicas,
    /// The same, and the records are in the log.
    NotEnoughReplicasAfterAppend,
    /// A new leader does not know yet how far the log is committed (KIP-207).
    OffsetNotAvailable,
}

impl Replica {
    /// The newest epoch that the metadata has named; -1 before the first.
    #[must_use]
    pub const fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// The epoch of the newest state that is known; -1 before the first.
    #[must_use]
    pub const fn partition_epoch(&self) -> i32 {
        self.partition_epoch
    }

    /// Everything below is committed, as far as this replica knows.
    #[must_use]
    pub const fn high_watermark(&self) -> Offset {
        self.high_watermark
    }

    /// True when this broker leads.
    #[must_use]
    pub const fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader(_))
    }

    /// True when this broker leads others: only then do time and other brokers matter to what becomes of an append.
    #[must_use]
    pub fn has_others(&self) -> bool {
        self.others().is_some()
    }

    /// Whom it follows, if anybody.
    #[must_use]
    pub fn following(&self) -> Option<BrokerId> {
        match &self.role {
            Role::Follower { leader, .. } => Some(*leader).filter(|leader| *leader != BrokerId::NONE),
            Role::Leader(_) | Role::Stopped => None,
        }
    }

    fn leader(&self) -> Result<&Leader, Refusal> {
        match &self.role {
            Role::Leader(leader) => Ok(leader),
            Role::Follower { .. } => Err(Refusal::NotLeaderOrFollower),
            Role::Stopped => Err(Refusal::UnknownTopicOrPartition),
        }
    }

    /// The epoch in which this broker leads.
    ///
    /// # Errors
    /// It does not.
    pub fn leading(&self) -> Result<LeaderEpoch, Refusal> {
        self.leader().map(|_| self.leader_epoch)
    }

    /// The epoch of the partition must be the one that who asks believes in, where it says so (KIP-320). Asked before whether this
    /// broker leads.
    ///
    /// # Errors
    /// It is another one.
    pub fn check_epoch(&self, believed: Option<LeaderEpoch>) -> Result<(), Refusal> {
        match believed {
            Some(older) if older < self.leader_epoch => Err(Refusal::FencedLeaderEpoch),
            Some(newer) if newer > self.leader_epoch => Err(Refusal::UnknownLeaderEpoch),
            _ => Ok(()),
        }
    }

    /// Whether `follower` may fetch here as a replica.
    ///
    /// # Errors
    /// This broker does not lead; the follower is no replica that it knows, yet; or another process of that broker is registered.
    pub fn check_follower(&self, follower: BrokerId, broker_epoch: i64, around: &Around<'_>) -> Result<(), Refusal> {
        let leader = self.leader()?;
        if leader.others.as_deref().and_then(|others| others.peer(follower)).is_none() {
            return Err(Refusal::UnknownLeaderEpoch);
        }
        let registered = around.brokers.alive_epoch(follower);
        match broker_epoch != -1 && registered.is_some_and(|registered| registered > broker_epoch) {
            true => Err(Refusal::NotLeaderOrFollower),
            false => Ok(()),
        }
    }

    /// Whether records with acks=all may be appended.
    ///
    /// # Errors
    /// This broker does not lead, or too few replicas are in sync.
    pub fn check_acks_all(&self, around: &Around<'_>) -> Result<(), Refusal> {
        self.leader()?;
        match self.is_under_min_isr(around) {
            true => Err(Refusal::NotEnoughReplicas),
            false => Ok(()),
        }
    }

    /// True once everything below `end` is committed; false while that is to be waited for.
    ///
    /// # Errors
    /// This broker does not lead any more, or it is committed by too few.
    pub fn is_kept(&self, end: Offset, around: &Around<'_>) -> Result<bool, Refusal> {
        let leader = self.leader()?;
        if self.high_watermark < end {
            return Ok(false);
        }
        let is_enough = |others: &Others| others.maximal_isr_size() >= others.effective_min_isr(around);
        match leader.others.as_deref().is_none_or(is_enough) {
            true => Ok(true),
            false => Err(Refusal::NotEnoughReplicasAfterAppend),
        }
    }

    /// True once everything below `end` is committed, by however few, or will not be for now: under min ISR the watermark stands still. For
    /// who only tells of what is in the log and promises nothing about it.
    ///
    /// # Errors
    /// This broker does not lead any more.
    pub fn is_settled(&self, end: Offset, around: &Around<'_>) -> Result<bool, Refusal> {
        self.leader()?;
        Ok(self.high_watermark >= end || self.is_under_min_isr(around))
    }

    /// Whether consumers may be told the watermark as the log's end: a new leader's may be older than what it has told others.
    ///
    /// # Errors
    /// Not before everything from before this epoch is committed, or this broker does not lead.
    pub fn check_offsets_available(&self) -> Result<(), Refusal> {
        match self.leader()?.epoch_start > self.high_watermark {
            true => Err(Refusal::OffsetNotAvailable),
            false => Ok(()),
        }
    }

    /// The first offset of the epoch that this broker leads.
    #[must_use]
    pub fn epoch_start(&self) -> Option<Offset> {
        self.leader().ok().map(|leader| leader.epoch_start)
    }

    /// At the leader: fewer replicas are in sync than `min.insync.replicas`.
    #[must_use]
    pub fn is_under_min_isr(&self, around: &Around<'_>) -> bool {
        self.others().is_some_and(|others| others.is_under_min_isr(around))
    }

    /// At the leader: as many replicas are in sync as `min.insync.replicas`, so that none may be lost.
    #[must_use]
    pub fn is_at_min_isr(&self, around: &Around<'_>) -> bool {
        match (&self.role, self.others()) {
            (_, Some(others)) => others.isr.len() == others.effective_min_isr(around),
            (Role::Leader(_), None) => around.settings.min_insync_replicas.min(1) == 1,
            (Role::Follower { .. } | Role::Stopped, None) => false,
        }
    }

    /// At the leader: fewer replicas are in sync than there should be, those apart that a reassignment adds.
    #[must_use]
    pub fn is_under_replicated(&self) -> bool {
        self.others().is_some_and(|others| others.isr.len() < others.replication_factor)
    }

    /// At the leader: replicas are being added or removed.
    #[must_use]
    pub fn is_reassigning(&self) -> bool {
        self.others().is_some_and(|others| others.is_reassigning)
    }

    /// At the leader: how many replicas are in sync, as committed; 0 elsewhere.
    #[must_use]
    pub fn isr_size(&self) -> usize {
        match &self.role {
            Role::Leader(leader) => leader.others.as_deref().map_or(1, |others| others.isr.len()),
            Role::Follower { .. } | Role::Stopped => 0,
        }
    }

    /// At the leader: whether the controller has `broker` in the ISR.
    #[must_use]
    pub fn is_in_sync(&self, broker: BrokerId, around: &Around<'_>) -> bool {
        match &self.role {
            Role::Leader(leader) => {
                leader.others.as_deref().map_or(broker == around.own, |others| others.isr.contains(&broker))
            }
            Role::Follower { .. } | Role::Stopped => false,
        }
    }

    /// At the leader: the other replicas.
    pub fn followers(&self) -> impl Iterator<Item = FollowerFacts> + '_ {
        let others = self.others();
        let peers = others.map_or([].as_slice(), |others| others.peers.as_slice());
        peers.iter().map(move |peer| peer.facts(others.is_some_and(|others| others.isr.contains(&peer.id))))
    }

    /// At the leader: below this no replica that is alive has anything, which is what DeleteRecords waits for; -1 while one has not said.
    #[must_use]
    pub fn low_watermark(&self, own_log_start: Offset, around: &Around<'_>) -> Offset {
        let peers = self.others().map_or([].as_slice(), |others| others.peers.as_slice());
        let alive = peers.iter().filter(|peer| around.brokers.alive_epoch(peer.id).is_some());
        alive.map(|peer| peer.log_start.unwrap_or(Offset(-1))).min().unwrap_or(own_log_start).min(own_log_start)
    }

    /// When [`Input::Tick`](crate::Input::Tick) has something to do if nothing else happens before, in time of the monotonic clock; at
    /// `now` when it has so already. It looks at each of the other replicas, and answers None where there are none, or all have everything.
    #[must_use]
    pub fn next_deadline(&self, around: &Around<'_>, now: Now) -> Option<Duration> {
        let (others, now_ms) = (self.others()?, millis(now.monotonic));
        let deadline_ms = match others.pending.as_ref().map(|pending| pending.step) {
            Some(Step::AskAgain(at_ms)) => at_ms,
            Some(Step::Asked | Step::AwaitsMetadata) => return None,
            None => {
                // A member that lags leaves; who is none and lags no longer holds up the watermark.
                let lag_max_ms = around.settings.replica_lag_time_max_ms;
                let lags = others.peers.iter().filter_map(|peer| {
                    let at_ms = peer.lags_at(self.log_end, lag_max_ms)?;
                    let leaves = others.isr.contains(&peer.id);
                    (leaves || at_ms > now_ms).then(|| at_ms.max(if leaves { others.not_before_ms } else { 0 }))
                });
                lags.chain(Some(others.not_before_ms).filter(|&at_ms| at_ms > now_ms)).min()?
            }
        };
        Some(Duration::from_millis(deadline_ms).max(now.monotonic))
    }
}
