//! A model of the controller: one partition, elections only from the ISR, reassignments, AlterPartition checked as Kafka's controller checks it.
//! The log of states is what brokers apply, each in its own time.

use std::collections::BTreeMap;

use barnabas_types::{BrokerId, LeaderEpoch};

use crate::{AlterRefusal, BrokerState, Brokers, InSyncMember};

/// The partition and the brokers at one offset of the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub leader: BrokerId,
    pub leader_epoch: LeaderEpoch,
    pub partition_epoch: i32,
    pub isr: Vec<BrokerId>,
    pub replicas: Vec<BrokerId>,
    /// Those that a reassignment adds and removes.
    pub adding: Vec<BrokerId>,
    pub removing: Vec<BrokerId>,
    pub brokers: Brokers,
}

#[derive(Debug)]
pub(crate) struct Controller {
    /// Every state that has been; brokers apply them in order.
    pub states: Vec<State>,
    /// The record by which each broker is registered.
    registered_at: BTreeMap<BrokerId, usize>,
}

impl Controller {
    /// At most three of the brokers have replicas.
    pub(crate) fn new(brokers: &[BrokerId]) -> Self {
        let replicas: Vec<_> = brokers.iter().copied().take(3).collect();
        let broker = |id: &BrokerId| (*id, BrokerState { epoch: i64::from(id.0), ..BrokerState::default() });
        let state = State {
            leader: replicas[0],
            leader_epoch: LeaderEpoch(0),
            partition_epoch: 0,
            isr: replicas.clone(),
            replicas,
            adding: Vec::new(),
            removing: Vec::new(),
            brokers: Brokers(brokers.iter().map(broker).collect()),
        };
        let registered_at = brokers.iter().map(|id| (*id, 0)).collect();
        Self { states: vec![state], registered_at }
    }

    pub(crate) fn state(&self) -> &State {
        self.states.last().unwrap()
    }

    fn record(&mut self, change: impl FnOnce(&mut State)) {
        let before = self.state();
        let mut after = before.clone();
        change(&mut after);
        if after != *before {
            let is_removed = before.replicas.iter().any(|id| !after.replicas.contains(id));
            if after.leader != before.leader || is_removed {
                after.leader_epoch.0 += 1;
            }
            let partition = |state: &State| {
                let State { leader, isr, replicas, adding, removing, .. } = state.clone();
                (leader, isr, replicas, adding, removing)
            };
            if partition(&after) != partition(before) {
                after.partition_epoch += 1;
            }
            self.states.push(after);
        }
    }

    fn may_lead(state: &State, id: BrokerId) -> bool {
        let broker = &state.brokers.0[&id];
        state.isr.contains(&id) && !broker.is_fenced && !broker.is_shutting_down
    }

    /// The leader stays if it may; else the first of the ISR that may leads.
    fn elect(state: &mut State) {
        if state.leader == BrokerId::NONE || !Self::may_lead(state, state.leader) {
            let next = state.replicas.iter().copied().find(|id| Self::may_lead(state, *id));
            state.leader = next.unwrap_or(BrokerId::NONE);
        }
    }

    /// Out of the ISR, unless it is the last.
    fn leave(state: &mut State, id: BrokerId) {
        if state.isr.len() > 1 {
            state.isr.retain(|member| *member != id);
        }
    }

    fn change_and_elect(&mut self, change: impl FnOnce(&mut State)) {
        let mut after = self.state().clone();
        change(&mut after);
        Self::elect(&mut after);
        self.record(|state| *state = after);
    }

    pub(crate) fn fence(&mut self, id: BrokerId) {
        self.change_and_elect(|state| {
            state.brokers.0.get_mut(&id).unwrap().is_fenced = true;
            Self::leave(state, id);
        });
    }

    pub(crate) fn shut_down(&mut self, id: BrokerId) {
        self.change_and_elect(|state| {
            state.brokers.0.get_mut(&id).unwrap().is_shutting_down = true;
            Self::leave(state, id);
        });
    }

    /// A new process, fenced. One that has lost what it was counted for leaves the ISR, even as the last (KIP-966).
    pub(crate) fn register(&mut self, id: BrokerId, has_lost: bool) -> i64 {
        if !self.state().brokers.0[&id].is_fenced {
            self.fence(id);
        }
        let epoch = 1000 + i64::try_from(self.states.len()).unwrap();
        self.record(|state| {
            if has_lost {
                state.isr.retain(|member| *member != id);
            }
            state.brokers.0.insert(id, BrokerState { epoch, is_fenced: true, ..BrokerState::default() });
        });
        self.registered_at.insert(id, self.states.len() - 1);
        epoch
    }

    /// Once it has applied its own registration.
    pub(crate) fn unfence(&mut self, id: BrokerId, applied: usize) -> bool {
        if !self.knows_itself(id, applied) || !self.state().brokers.0[&id].is_fenced {
            return false;
        }
        self.change_and_elect(|state| state.brokers.0.get_mut(&id).unwrap().is_fenced = false);
        true
    }

    /// True once the broker has applied its own registration, so that it knows what it is.
    pub(crate) fn knows_itself(&self, id: BrokerId, applied: usize) -> bool {
        applied > self.registered_at[&id]
    }

    /// Other replicas; while one reassignment is under way there is no other.
    pub(crate) fn reassign(&mut self, target: &[BrokerId]) {
        let state = self.state();
        let without = |from: &[BrokerId], those: &[BrokerId]| {
            from.iter().copied().filter(|id| !those.contains(id)).collect::<Vec<_>>()
        };
        let (adding, removing) = (without(target, &state.replicas), without(&state.replicas, target));
        if adding.is_empty() || !state.adding.is_empty() {
            return;
        }
        let replicas = [target, &removing].concat();
        self.record(|state| (state.replicas, state.adding, state.removing) = (replicas, adding, removing));
    }

    /// A reassignment ends with the change of the ISR that brings in the last one that is added.
    fn end_reassignment(state: &mut State) {
        if !state.adding.is_empty() && state.adding.iter().all(|id| state.isr.contains(id)) {
            let removing = std::mem::take(&mut state.removing);
            state.adding.clear();
            state.replicas.retain(|id| !removing.contains(id));
            state.isr.retain(|id| !removing.contains(id));
        }
    }

    /// Another member leads, as an election of the preferred leader does.
    pub(crate) fn prefer(&mut self, id: BrokerId) {
        if Self::may_lead(self.state(), id) {
            self.record(|state| state.leader = id);
        }
    }

    /// A leader that is not in the ISR: what was committed may be lost.
    pub(crate) fn elect_unclean(&mut self, id: BrokerId) {
        self.record(|state| {
            state.isr = vec![id];
            state.leader = id;
        });
    }

    pub(crate) fn alter(
        &mut self,
        from: BrokerId,
        leader_epoch: LeaderEpoch,
        partition_epoch: i32,
        isr: &[InSyncMember],
    ) -> Result<(LeaderEpoch, i32, Vec<BrokerId>), AlterRefusal> {
        let state = self.state();
        if leader_epoch > state.leader_epoch || partition_epoch > state.partition_epoch {
            return Err(AlterRefusal::NotController);
        }
        if leader_epoch < state.leader_epoch {
            return Err(AlterRefusal::FencedLeaderEpoch);
        }
        if from != state.leader || !isr.iter().any(|member| member.broker == from) {
            return Err(AlterRefusal::InvalidRequest);
        }
        if partition_epoch < state.partition_epoch {
            return Err(AlterRefusal::InvalidUpdateVersion);
        }
        let may_join = |member: &InSyncMember| {
            let broker = &state.brokers.0[&member.broker];
            let is_same = member.broker_epoch == -1 || member.broker_epoch == broker.epoch;
            !broker.is_fenced && !broker.is_shutting_down && is_same
        };
        if !isr.iter().all(may_join) {
            return Err(AlterRefusal::IneligibleReplica);
        }
        let members: Vec<_> = isr.iter().map(|member| member.broker).collect();
        self.change_and_elect(|state| {
            state.isr = members;
            Self::end_reassignment(state);
        });
        let state = self.state();
        match state.leader == from {
            true => Ok((state.leader_epoch, state.partition_epoch, state.isr.clone())),
            false => Err(AlterRefusal::NewLeaderElected),
        }
    }
}
