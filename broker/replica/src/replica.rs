//! One partition on one broker: its role and the dispatch of inputs. Small, because a broker has 100,000 of them: what only a leader with
//! other replicas needs is in a box of its own. Logic lives in the files beside it.

use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset};
use serde::{Deserialize, Serialize};

use crate::bug::Bug;
use crate::leader::Others;
use crate::offsets::Ends;
use crate::time::{Millis, millis};
use crate::{Around, Assigned, Effect, Fetched, Input, Opened};

/// A partition's replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    pub(crate) high_watermark: Offset,
    pub(crate) log_end: Offset,
    pub(crate) durable_end: Offset,
    pub(crate) role: Role,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) partition_epoch: i32,
    /// Epochs up to this one are not led.
    withheld: LeaderEpoch,
}

/// What this broker is for the partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    /// It leads.
    Leader(Leader),
    /// It follows `leader`, or waits for one.
    Follower {
        leader: BrokerId,
        /// The watermark that the leader has told in this epoch.
        told: Offset,
    },
    /// It has no replica any more.
    Stopped,
}

/// A leadership.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leader {
    /// The log's end when it began.
    pub epoch_start: Offset,
    /// The other replicas, if there are any.
    pub others: Option<Box<Others>>,
}

impl Replica {
    /// A replica whose log is open. It neither leads nor follows before it is assigned.
    #[must_use]
    pub fn new(opened: Opened) -> Self {
        let ends = Ends::new(opened.log_end, opened.durable_end);
        Self {
            high_watermark: opened.high_watermark.min(ends.log_end).max(Offset(0)),
            log_end: ends.log_end,
            durable_end: ends.durable_end,
            role: Role::Follower { leader: BrokerId::NONE, told: Offset(0) },
            leader_epoch: LeaderEpoch::NONE,
            partition_epoch: -1,
            withheld: opened.withheld,
        }
    }

    /// Takes one input; pushes what is to be done, in order.
    pub fn handle(&mut self, input: Input<'_>, around: &Around<'_>, now: Now, out: &mut Vec<Effect>) {
        let now_ms = millis(now.monotonic);
        if self.role == Role::Stopped {
            return;
        }
        match input {
            Input::Assigned(assigned) => self.on_assigned(&assigned, around, now_ms, out),
            Input::BrokersChanged | Input::SettingsChanged | Input::Tick => {
                self.move_watermark(around, now_ms, out);
                self.propose(None, around, now_ms, out);
            }
            Input::LogMoved { log_end, durable_end } => {
                self.on_log_moved(Ends::new(log_end, durable_end), around, now_ms, out);
            }
            Input::Fetched(fetched) => self.on_fetched(&fetched, around, now_ms, out),
            Input::LeaderTold { leader_epoch, high_watermark, log_start } => {
                self.on_leader_told(leader_epoch, high_watermark, log_start, around, now_ms, out);
            }
            Input::AlterPartitionAnswered { number, answer } => {
                self.on_alter_partition_answered(number, answer, around, now_ms, out);
            }
            Input::Stopped => {
                self.leave_role(out);
                self.role = Role::Stopped;
            }
        }
    }

    pub(crate) fn ends(&self) -> Ends {
        Ends { log_end: self.log_end, durable_end: self.durable_end }
    }

    pub(crate) fn others(&self) -> Option<&Others> {
        let Role::Leader(leader) = &self.role else { return None };
        leader.others.as_deref()
    }

    pub(crate) fn others_mut(&mut self) -> Option<&mut Others> {
        let Role::Leader(leader) = &mut self.role else { return None };
        leader.others.as_deref_mut()
    }

    /// The metadata names the partition's state. Who has answered an AlterPartition may have said the same already, or something newer.
    fn on_assigned(&mut self, assigned: &Assigned<'_>, around: &Around<'_>, now_ms: Millis, out: &mut Vec<Effect>) {
        if assigned.partition_epoch < self.partition_epoch || assigned.leader_epoch < self.leader_epoch {
            return;
        }
        self.on_log_moved(Ends::new(assigned.log_end, assigned.durable_end), around, now_ms, out);
        let is_alone = assigned.replicas.iter().all(|&id| id == around.own);
        let is_withheld = assigned.leader_epoch <= self.withheld && !is_alone && !around.has(Bug::LeadsAgain);
        if assigned.leader == around.own && !is_withheld {
            self.lead(assigned, around, now_ms, out);
        } else {
            let leader = if assigned.leader == around.own { BrokerId::NONE } else { assigned.leader };
            self.follow(leader, assigned, out);
        }
    }

    fn lead(&mut self, assigned: &Assigned<'_>, around: &Around<'_>, now_ms: Millis, out: &mut Vec<Effect>) {
        let is_new_epoch = assigned.leader_epoch > self.leader_epoch || !self.is_leader();
        if let Role::Leader(leader) = &mut self.role {
            match &mut leader.others {
                Some(others) => {
                    // Where nothing is new about the ISR, what is under way may still come about.
                    if is_new_epoch || assigned.partition_epoch > self.partition_epoch {
                        others.pending = None;
                    }
                    others.assign(assigned, around.own);
                }
                None => leader.others = Others::of(assigned, around.own),
            }
        }
        if is_new_epoch {
            // In the epoch right before it this broker led, too, or somebody else may have.
            let led_before = self.is_leader()
                && (assigned.leader_epoch.0.checked_sub(1) == Some(self.leader_epoch.0)
                    || around.has(Bug::KeepsEndsOfOlderEpochs));
            self.begin_epoch(led_before, assigned, around, now_ms, out);
        }
        self.leader_epoch = assigned.leader_epoch;
        self.partition_epoch = assigned.partition_epoch;
        self.move_watermark(around, now_ms, out);
        self.propose(None, around, now_ms, out);
    }

    fn begin_epoch(
        &mut self,
        led_before: bool,
        assigned: &Assigned<'_>,
        around: &Around<'_>,
        now_ms: Millis,
        out: &mut Vec<Effect>,
    ) {
        let epoch_start = self.log_end;
        let before = std::mem::replace(&mut self.role, Role::Stopped);
        let mut others = match before {
            Role::Leader(leader) => leader.others,
            Role::Follower { leader, .. } => {
                if leader != BrokerId::NONE {
                    out.push(Effect::StopFollowing);
                }
                Others::of(assigned, around.own)
            }
            Role::Stopped => None,
        };
        if let Some(others) = &mut others {
            for peer in &mut others.peers {
                peer.begin_epoch(led_before, assigned.isr.contains(&peer.id), epoch_start, now_ms);
            }
        }
        self.role = Role::Leader(Leader { epoch_start, others });
        out.push(Effect::EpochStarts { leader_epoch: assigned.leader_epoch, offset: epoch_start });
    }

    /// A new epoch is fetched anew even from the same leader: its log may be another one now.
    fn follow(&mut self, leader: BrokerId, assigned: &Assigned<'_>, out: &mut Vec<Effect>) {
        let is_new_epoch = assigned.leader_epoch > self.leader_epoch;
        self.partition_epoch = assigned.partition_epoch;
        let before = match &self.role {
            Role::Follower { leader, .. } => *leader,
            Role::Leader(_) | Role::Stopped => BrokerId::NONE,
        };
        if !is_new_epoch && !self.is_leader() && leader == before {
            return;
        }
        if leader == BrokerId::NONE || self.is_leader() {
            self.leave_role(out);
        }
        self.leader_epoch = assigned.leader_epoch;
        self.role = Role::Follower { leader, told: Offset(0) };
        if leader != BrokerId::NONE {
            out.push(Effect::Follow { leader, leader_epoch: assigned.leader_epoch });
        }
    }

    fn leave_role(&self, out: &mut Vec<Effect>) {
        match &self.role {
            Role::Leader(_) => out.push(Effect::LeadershipLost { leader_epoch: self.leader_epoch }),
            Role::Follower { leader, .. } if *leader != BrokerId::NONE => out.push(Effect::StopFollowing),
            Role::Follower { .. } | Role::Stopped => {}
        }
    }

    /// A follower has everything below its offset. One that is not a replica, or a process that is none any more, is ignored: its Fetch has
    /// been refused by [`Replica::check_follower`].
    fn on_fetched(&mut self, fetched: &Fetched, around: &Around<'_>, now_ms: Millis, out: &mut Vec<Effect>) {
        let log_end = self.log_end;
        let may_fetch = self.check_follower(fetched.follower, fetched.broker_epoch, around).is_ok();
        if !may_fetch || fetched.offset > log_end || fetched.offset.0 < 0 {
            return;
        }
        let Some(peer) = self.others_mut().and_then(|others| others.peer_mut(fetched.follower)) else { return };
        peer.fetched(fetched, log_end, now_ms);
        // First: who joins counts for the watermark, so that it does not move away from under it.
        self.propose(Some(fetched.follower), around, now_ms, out);
        self.move_watermark(around, now_ms, out);
    }

    /// What the leader has deleted was committed, however far this replica knows that.
    fn on_leader_told(
        &mut self,
        leader_epoch: LeaderEpoch,
        high_watermark: Offset,
        log_start: Offset,
        around: &Around<'_>,
        now_ms: Millis,
        out: &mut Vec<Effect>,
    ) {
        let log_end = self.log_end;
        let is_current = leader_epoch == self.leader_epoch;
        let Role::Follower { leader, told } = &mut self.role else { return };
        if !is_current || *leader == BrokerId::NONE {
            return;
        }
        *told = (*told).max(high_watermark);
        let to = log_start.min(log_end);
        if to > Offset(0) {
            out.push(Effect::RaiseLogStart { to });
        }
        if to > self.high_watermark {
            self.high_watermark = to;
            out.push(Effect::WatermarkMoved { to });
        }
        self.move_watermark(around, now_ms, out);
    }
}
