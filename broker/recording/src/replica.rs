//! A partition's replica, recorded: what happens to it, and what it looks at and does not own, wherever that has changed. Offsets, epochs and ids of
//! brokers; no record and no name of a client. On the way of every batch of a partition with others: a comparison and a line in a list.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use barnabas_replica::{
    AlterAnswer, AlterRefusal, Around, Assigned, Brokers, Effect, Fetched, Input, LeaderRecoveryState, Replica,
    Settings,
};
use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset, Uuid};
use serde::{Deserialize, Serialize};

use crate::core::{Core, Kind, Played};
use crate::file::{Head, write};
use crate::ring::{Limits, Ring};

/// What one stretch holds.
const LIMITS: Limits = Limits { inputs: 32, bytes: 2 * 1024 };
/// What a recorder takes in memory at most, for those who count how many there may be.
pub const MAX_BYTES: usize = 8 * 1024;

/// What a replica looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    own: BrokerId,
    own_epoch: i64,
    settings: Settings,
    brokers: Arc<Brokers>,
}

/// A replica, and what it looked at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Start {
    replica: Replica,
    around: Surroundings,
}

/// What the metadata says, with lists of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OwnedAssigned {
    leader: BrokerId,
    leader_epoch: LeaderEpoch,
    partition_epoch: i32,
    isr: Vec<BrokerId>,
    replicas: Vec<BrokerId>,
    directories: Vec<Uuid>,
    adding: Vec<BrokerId>,
    removing: Vec<BrokerId>,
    recovery: LeaderRecoveryState,
    log_end: Offset,
    durable_end: Offset,
}

/// What happens: the replica's inputs, owned, and changes of what it looks at.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Event {
    /// From here on it looks at this.
    Around(Box<Surroundings>),
    /// [`Input::Assigned`]
    Assigned(Box<OwnedAssigned>),
    /// [`Input::BrokersChanged`]
    BrokersChanged,
    /// [`Input::SettingsChanged`]
    SettingsChanged,
    /// [`Input::LogMoved`]
    LogMoved {
        /// The next record's offset.
        log_end: Offset,
        /// Everything below is synced.
        durable_end: Offset,
    },
    /// [`Input::Fetched`]
    Fetched(Fetched),
    /// [`Input::LeaderTold`]
    LeaderTold {
        /// The epoch in which was asked.
        leader_epoch: LeaderEpoch,
        /// The leader's high watermark.
        high_watermark: Offset,
        /// The leader's first offset.
        log_start: Offset,
    },
    /// [`AlterAnswer::Altered`]
    Altered(Box<(u64, LeaderEpoch, i32, Vec<BrokerId>)>),
    /// [`AlterAnswer::Refused`]
    Refused {
        /// Of the proposal.
        number: u64,
        /// Why.
        refusal: AlterRefusal,
    },
    /// [`Input::Tick`]
    Tick,
    /// [`Input::Stopped`]
    Stopped,
}

impl Event {
    fn of(input: &Input<'_>) -> Self {
        match *input {
            Input::Assigned(assigned) => Self::Assigned(Box::new(OwnedAssigned::of(&assigned))),
            Input::BrokersChanged => Self::BrokersChanged,
            Input::SettingsChanged => Self::SettingsChanged,
            Input::LogMoved { log_end, durable_end } => Self::LogMoved { log_end, durable_end },
            Input::Fetched(fetched) => Self::Fetched(fetched),
            Input::LeaderTold { leader_epoch, high_watermark, log_start } => {
                Self::LeaderTold { leader_epoch, high_watermark, log_start }
            }
            Input::AlterPartitionAnswered { number, answer: AlterAnswer::Refused(refusal) } => {
                Self::Refused { number, refusal }
            }
            Input::AlterPartitionAnswered {
                number,
                answer: AlterAnswer::Altered { leader_epoch, partition_epoch, isr },
            } => Self::Altered(Box::new((number, leader_epoch, partition_epoch, isr.to_vec()))),
            Input::Tick => Self::Tick,
            Input::Stopped => Self::Stopped,
        }
    }

    fn input(&self) -> Option<Input<'_>> {
        Some(match self {
            Self::Around(_) => return None,
            Self::Assigned(assigned) => Input::Assigned(assigned.borrowed()),
            Self::BrokersChanged => Input::BrokersChanged,
            Self::SettingsChanged => Input::SettingsChanged,
            &Self::LogMoved { log_end, durable_end } => Input::LogMoved { log_end, durable_end },
            Self::Fetched(fetched) => Input::Fetched(*fetched),
            &Self::LeaderTold { leader_epoch, high_watermark, log_start } => {
                Input::LeaderTold { leader_epoch, high_watermark, log_start }
            }
            Self::Altered(altered) => {
                let (number, leader_epoch, partition_epoch, isr) = &**altered;
                let answer =
                    AlterAnswer::Altered { leader_epoch: *leader_epoch, partition_epoch: *partition_epoch, isr };
                Input::AlterPartitionAnswered { number: *number, answer }
            }
            &Self::Refused { number, refusal } => {
                Input::AlterPartitionAnswered { number, answer: AlterAnswer::Refused(refusal) }
            }
            Self::Tick => Input::Tick,
            Self::Stopped => Input::Stopped,
        })
    }
}

impl OwnedAssigned {
    fn of(assigned: &Assigned<'_>) -> Self {
        Self {
            leader: assigned.leader,
            leader_epoch: assigned.leader_epoch,
            partition_epoch: assigned.partition_epoch,
            isr: assigned.isr.to_vec(),
            replicas: assigned.replicas.to_vec(),
            directories: assigned.directories.to_vec(),
            adding: assigned.adding.to_vec(),
            removing: assigned.removing.to_vec(),
            recovery: assigned.recovery,
            log_end: assigned.log_end,
            durable_end: assigned.durable_end,
        }
    }

    fn borrowed(&self) -> Assigned<'_> {
        Assigned {
            leader: self.leader,
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            isr: &self.isr,
            replicas: &self.replicas,
            directories: &self.directories,
            adding: &self.adding,
            removing: &self.removing,
            recovery: self.recovery,
            log_end: self.log_end,
            durable_end: self.durable_end,
        }
    }
}

/// What an input takes beside its place in the list.
fn weight(input: &Input<'_>) -> usize {
    let lists = match input {
        Input::Assigned(assigned) => {
            let lists = [assigned.isr, assigned.replicas, assigned.adding, assigned.removing];
            let lists = lists.iter().map(|list| size_of_val(*list)).sum::<usize>();
            size_of::<OwnedAssigned>() + lists + size_of_val(assigned.directories)
        }
        Input::AlterPartitionAnswered { answer: AlterAnswer::Altered { isr, .. }, .. } => size_of_val(*isr),
        _ => 0,
    };
    size_of::<Event>() + lists
}

/// What is recorded of one replica.
#[derive(Clone, Debug)]
pub struct ReplicaRecorder {
    ring: Ring<Start, Event>,
    around: Surroundings,
}

impl ReplicaRecorder {
    /// Nothing yet, of a replica that looks at this.
    #[must_use]
    pub fn new(around: &Around<'_>, brokers: &Arc<Brokers>) -> Self {
        Self { ring: Ring::default(), around: Surroundings::of(around, brokers) }
    }

    /// Notes an input before the replica gets it. `brokers` are those of `around`.
    pub fn note(
        &mut self,
        input: &Input<'_>,
        (around, brokers): (&Around<'_>, &Arc<Brokers>),
        now: Now,
        replica: &Replica,
    ) {
        if !self.around.is(around, brokers) {
            self.look_at(Surroundings::of(around, brokers), now, replica);
        }
        let around = &self.around;
        let start = || Start { replica: replica.clone(), around: around.clone() };
        self.ring.note(LIMITS, (now, weight(input)), || Event::of(input), start);
    }

    #[cold]
    fn look_at(&mut self, around: Surroundings, now: Now, replica: &Replica) {
        let is_same = around == self.around;
        let before = std::mem::replace(&mut self.around, around);
        if is_same {
            return;
        }
        let bytes = size_of::<Event>() + size_of::<Surroundings>();
        let event = || Event::Around(Box::new(self.around.clone()));
        let start = || Start { replica: replica.clone(), around: before };
        self.ring.note(LIMITS, (now, bytes), event, start);
        self.ring.came_back(|| digest(&[]));
    }

    /// Notes what the replica asks for.
    pub fn came_back(&mut self, effects: &[Effect]) {
        self.ring.came_back(|| digest(effects));
    }

    /// What is kept, as a file; None when that is nothing.
    #[must_use]
    pub fn file(&self, head: &Head) -> Option<Vec<u8>> {
        write(head, &self.ring)
    }
}

impl Surroundings {
    fn of(around: &Around<'_>, brokers: &Arc<Brokers>) -> Self {
        Self {
            own: around.own,
            own_epoch: around.own_epoch,
            settings: around.settings.clone(),
            brokers: Arc::clone(brokers),
        }
    }

    /// The brokers are compared by where they are: they are held, so that others are never there.
    fn is(&self, around: &Around<'_>, brokers: &Arc<Brokers>) -> bool {
        Arc::ptr_eq(&self.brokers, brokers)
            && self.own_epoch == around.own_epoch
            && self.own == around.own
            && self.settings == *around.settings
    }

    fn borrowed(&self) -> Around<'_> {
        Around { own: self.own, own_epoch: self.own_epoch, settings: &self.settings, brokers: &self.brokers }
    }
}

/// A replica that is replayed.
#[derive(Debug)]
pub struct Replayer(Start);

impl Core for Replayer {
    const KIND: Kind = Kind::Replica;
    type Start = Start;
    type Input = Event;

    fn begin(start: Start) -> Self {
        Self(start)
    }

    fn play(&mut self, input: Event, now: Now) -> Played {
        let mut effects = Vec::new();
        match input.input() {
            Some(input) => self.0.replica.handle(input, &self.0.around.borrowed(), now, &mut effects),
            None => {
                if let Event::Around(around) = input {
                    self.0.around = *around;
                }
            }
        }
        Played {
            digest: digest(&effects),
            effects: effects.iter().map(|effect| format!("{effect:?}")).collect(),
            broken: None,
        }
    }

    fn state(&self) -> String {
        let (replica, around) = (&self.0.replica, &self.0.around);
        let role = match (replica.is_leader(), replica.following()) {
            (true, _) => "leads".to_owned(),
            (false, Some(leader)) => format!("follows broker {leader}"),
            (false, None) => "follows nobody".to_owned(),
        };
        format!(
            "broker {}: {role} in epoch {}, partition epoch {}, committed to {}",
            around.own,
            replica.leader_epoch(),
            replica.partition_epoch(),
            replica.high_watermark()
        )
    }
}

/// Of a few numbers, a multiplication each: this is on the way of every batch.
struct Multiplied(u64);

impl Multiplied {
    fn take(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Multiplied {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.take(u64::from(byte)));
    }
    fn write_u32(&mut self, number: u32) {
        self.take(u64::from(number));
    }
    fn write_u64(&mut self, number: u64) {
        self.take(number);
    }
    fn write_usize(&mut self, number: usize) {
        self.take(number as u64);
    }
    fn write_i32(&mut self, number: i32) {
        self.take(u64::from(number.cast_unsigned()));
    }
    fn write_i64(&mut self, number: i64) {
        self.take(number.cast_unsigned());
    }
    fn write_isize(&mut self, number: isize) {
        self.take(number.cast_unsigned() as u64);
    }
}

fn digest(effects: &[Effect]) -> u64 {
    let mut hasher = Multiplied(0);
    effects.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_that_differ_have_digests_that_differ() {
        let moved = |to| Effect::WatermarkMoved { to: Offset(to) };
        let all = [
            digest(&[]),
            digest(&[moved(1)]),
            digest(&[moved(2)]),
            digest(&[moved(1), moved(2)]),
            digest(&[moved(2), moved(1)]),
            digest(&[Effect::RaiseLogStart { to: Offset(1) }]),
            digest(&[Effect::StopFollowing]),
        ];
        let different: std::collections::BTreeSet<_> = all.into_iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
