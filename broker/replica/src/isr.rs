//! Changes of the ISR: who leaves, who may join, what is proposed to the controller and what its answer means (KIP-497, 841, 903, 966). One
//! proposal at a time. A proposal never makes the watermark move sooner than its outcome is known to.

use barnabas_types::{BrokerId, LeaderEpoch};

use crate::bug::Bug;
use crate::leader::{Change, Others, Pending, Step};
use crate::replica::{Replica, Role};
use crate::time::Millis;
use crate::{AlterAnswer, AlterRefusal, Around, Effect, InSyncMember, LeaderRecoveryState};

/// How long after a proposal that came to nothing until the next: Kafka's time.
const RETRY_MS: Millis = 50;

/// What an answer means for a proposal.
enum Meaning {
    /// It is in force, or another state is.
    Done,
    /// Certainly not done, by no controller: what was committed holds.
    NotDone,
    /// The state that it would change is an old one: it may have been done, and the metadata will say.
    Outdated,
    /// Nobody knows: ask again.
    Unknown,
}

const fn meaning(answer: &AlterAnswer<'_>) -> Meaning {
    match answer {
        AlterAnswer::Altered { .. } => Meaning::Done,
        AlterAnswer::Refused(refusal) => match refusal {
            AlterRefusal::IneligibleReplica | AlterRefusal::OperationNotAttempted => Meaning::NotDone,
            AlterRefusal::InvalidUpdateVersion
            | AlterRefusal::FencedLeaderEpoch
            | AlterRefusal::NewLeaderElected
            | AlterRefusal::UnknownTopicOrPartition
            | AlterRefusal::UnknownTopicId
            | AlterRefusal::InvalidRequest => Meaning::Outdated,
            AlterRefusal::NotController
            | AlterRefusal::StaleBrokerEpoch
            | AlterRefusal::NoAnswer
            | AlterRefusal::Other(_) => Meaning::Unknown,
        },
    }
}

impl Replica {
    /// Proposes what is due: again, what got no answer; else that those who lag leave; else that somebody joins: who fetches just now, or
    /// somebody who is caught up.
    pub(crate) fn propose(
        &mut self,
        fetches: Option<BrokerId>,
        around: &Around<'_>,
        now_ms: Millis,
        out: &mut Vec<Effect>,
    ) {
        let change = match self.others().map(|others| others.pending.as_ref().map(|pending| pending.step)) {
            None => return,
            Some(Some(Step::AskAgain(at_ms))) if at_ms <= now_ms => return self.ask(out),
            Some(Some(_)) => return,
            Some(None) => {
                let shrink = self.due_shrink(around, now_ms);
                shrink.or_else(|| self.due_expansion(fetches, around, now_ms))
            }
        };
        let (Some(change), leader_epoch) = (change, self.leader_epoch) else { return };
        let Some(others) = self.others_mut().filter(|others| others.not_before_ms <= now_ms) else { return };
        others.proposals = others.proposals.wrapping_add(1);
        let number = number(leader_epoch, others.proposals);
        let isr = proposed(others, &change, around);
        others.pending = Some(Pending { number, change, isr, step: Step::Asked });
        self.ask(out);
    }

    /// Sends the proposal.
    fn ask(&mut self, out: &mut Vec<Effect>) {
        let (leader_epoch, partition_epoch) = (self.leader_epoch, self.partition_epoch);
        let Some(pending) = self.others_mut().and_then(|others| others.pending.as_mut()) else { return };
        pending.step = Step::Asked;
        // Who leads has recovered: Kafka's leaders say so with their first change.
        let recovery = LeaderRecoveryState::Recovered;
        let (number, isr) = (pending.number, pending.isr.clone());
        out.push(Effect::AlterPartition { number, leader_epoch, partition_epoch, isr, recovery });
    }

    /// The members that have not had everything for too long, and what is no replica at all.
    fn due_shrink(&self, around: &Around<'_>, now_ms: Millis) -> Option<Change> {
        let (others, lag_max_ms) = (self.others()?, around.settings.replica_lag_time_max_ms);
        let lags = |id: &BrokerId| {
            let peer = others.peer(*id);
            peer.is_none_or(|peer| !peer.is_caught_up(self.log_end, lag_max_ms, now_ms))
        };
        let members = others.isr.iter().copied().filter(|&id| id != around.own);
        let leaving: Vec<_> = members.filter(lags).collect();
        (!leaving.is_empty()).then_some(Change::Shrink(leaving))
    }

    /// A follower that has everything committed, also what was committed before this epoch: that is below the epoch's start, however far this
    /// broker knew it to be committed. One that has left because it lags and does not fetch has as much, while nothing is written.
    fn due_expansion(&self, fetches: Option<BrokerId>, around: &Around<'_>, now_ms: Millis) -> Option<Change> {
        let Role::Leader(leader) = &self.role else { return None };
        let others = leader.others.as_deref()?;
        let enough = match around.has(Bug::ExpandsBeforeEpochStart) {
            true => self.high_watermark,
            false => self.high_watermark.max(leader.epoch_start),
        };
        let joins = others.peers.iter().find(|peer| {
            let lag_max_ms = around.settings.replica_lag_time_max_ms;
            let is_live = fetches == Some(peer.id) || peer.is_caught_up(self.log_end, lag_max_ms, now_ms);
            let has_enough = peer.end.is_some_and(|end| end >= enough) && is_live;
            let fetched_with = if around.has(Bug::IgnoresBrokerEpochs) { Some(-1) } else { peer.broker_epoch };
            has_enough && !others.isr.contains(&peer.id) && around.brokers.may_join_isr(peer, fetched_with)
        });
        joins.map(|peer| Change::Expand(peer.id))
    }

    pub(crate) fn on_alter_partition_answered(
        &mut self,
        number: u64,
        answer: AlterAnswer<'_>,
        around: &Around<'_>,
        now_ms: Millis,
        out: &mut Vec<Effect>,
    ) {
        let is_late = |pending: &Pending| pending.number != number && !around.has(Bug::BelievesLateAnswers);
        let Some(others) = self.others_mut() else { return };
        // What is asked no longer was answered by the metadata, or with the leadership.
        let Some(pending) = others.pending.as_mut().filter(|pending| !is_late(pending)) else { return };
        let retry_ms = now_ms.saturating_add(RETRY_MS);
        match meaning(&answer) {
            Meaning::Done => return self.on_altered(answer, around, now_ms, out),
            Meaning::Outdated => pending.step = Step::AwaitsMetadata,
            Meaning::Unknown => pending.step = Step::AskAgain(retry_ms),
            Meaning::NotDone => {
                others.pending = None;
                others.not_before_ms = retry_ms;
            }
        }
        out.push(Effect::IsrUpdateFailed);
    }

    fn on_altered(&mut self, answer: AlterAnswer<'_>, around: &Around<'_>, now_ms: Millis, out: &mut Vec<Effect>) {
        let AlterAnswer::Altered { leader_epoch, partition_epoch, isr } = answer else { return };
        let is_current = leader_epoch == self.leader_epoch && partition_epoch >= self.partition_epoch;
        let Some(others) = self.others_mut() else { return };
        if !is_current {
            // The metadata says the state of another leadership.
            if let Some(pending) = &mut others.pending {
                pending.step = Step::AwaitsMetadata;
            }
            return out.push(Effect::IsrUpdateFailed);
        }
        out.push(match others.pending.take().map(|pending| pending.change) {
            Some(Change::Shrink(_)) => Effect::IsrShrunk,
            Some(Change::Expand(_)) | None => Effect::IsrExpanded,
        });
        others.isr = isr.to_vec();
        self.partition_epoch = partition_epoch;
        self.move_watermark(around, now_ms, out);
        self.propose(None, around, now_ms, out);
    }
}

/// Numbers of two leaderships differ, so that no late answer is taken for another.
fn number(leader_epoch: LeaderEpoch, proposals: u32) -> u64 {
    (u64::from(leader_epoch.0.cast_unsigned()) << 32) | u64::from(proposals)
}

/// The ISR that is proposed, with the epochs of the processes that have fetched. Who has not fetched yet is named without one: if it has
/// started anew, the controller has taken it out and refuses the proposal for its partition epoch.
fn proposed(others: &Others, change: &Change, around: &Around<'_>) -> Vec<InSyncMember> {
    let (joins, leaves) = match change {
        Change::Expand(joins) => (Some(*joins), [].as_slice()),
        Change::Shrink(leaves) => (None, leaves.as_slice()),
    };
    let member = |id: BrokerId| {
        let fetched_with = others.peer(id).and_then(|peer| peer.broker_epoch);
        let fetched_with = fetched_with.filter(|_| !around.has(Bug::IgnoresBrokerEpochs));
        let broker_epoch = if id == around.own { around.own_epoch } else { fetched_with.unwrap_or(-1) };
        InSyncMember { broker: id, broker_epoch }
    };
    let stays = others.isr.iter().copied().filter(|id| !leaves.contains(id));
    stays.chain(joins).map(member).collect()
}
