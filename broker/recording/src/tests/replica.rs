//! A partition's replica that leads and follows, among brokers that come and go.

use std::sync::Arc;
use std::time::Duration;

use barnabas_replica::{
    AlterAnswer, AlterRefusal, Around, Assigned, BrokerState, Brokers, Effect, Fetched, Input, LeaderRecoveryState,
    Opened, Replica, Settings,
};
use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset, Timestamp, Uuid};

use super::{Random, damage_everywhere, head, replayed};
use crate::{Kind, ReplicaRecorder};

/// A replica beside its recorder, as a driver has them.
struct Driven {
    replica: Replica,
    recorder: ReplicaRecorder,
    settings: Settings,
    brokers: Arc<Brokers>,
    now: Now,
    effects: usize,
    proposals: Vec<u64>,
}

const BROKERS: [BrokerId; 3] = [BrokerId(1), BrokerId(2), BrokerId(3)];

fn brokers(fenced: u64) -> Arc<Brokers> {
    let state = |id: BrokerId| BrokerState {
        epoch: 7,
        is_fenced: u64::try_from(id.0).unwrap() == fenced,
        ..BrokerState::default()
    };
    Arc::new(Brokers(BROKERS.into_iter().map(|id| (id, state(id))).collect()))
}

impl Driven {
    fn new() -> Self {
        let (settings, brokers) = (Settings { min_insync_replicas: 2, ..Settings::default() }, brokers(0));
        let opened = Opened {
            high_watermark: Offset(0),
            log_end: Offset(0),
            durable_end: Offset(0),
            withheld: LeaderEpoch::NONE,
        };
        let around = Around { own: BrokerId(1), own_epoch: 7, settings: &settings, brokers: &brokers };
        let recorder = ReplicaRecorder::new(&around, &brokers);
        let now = Now { monotonic: Duration::from_secs(9), wall: Timestamp(1_700_000_000_000) };
        Self { replica: Replica::new(opened), recorder, settings, brokers, now, effects: 0, proposals: Vec::new() }
    }

    fn handle(&mut self, input: Input<'_>) {
        let around = Around { own: BrokerId(1), own_epoch: 7, settings: &self.settings, brokers: &self.brokers };
        let mut effects = Vec::new();
        self.recorder.note(&input, (&around, &self.brokers), self.now, &self.replica);
        self.replica.handle(input, &around, self.now, &mut effects);
        self.recorder.came_back(&effects);
        self.effects += effects.len();
        self.proposals.extend(effects.iter().filter_map(|effect| match effect {
            Effect::AlterPartition { number, .. } => Some(*number),
            _ => None,
        }));
    }

    fn step(&mut self, random: &mut Random, step: i64) {
        let (epoch, partition_epoch) = (self.replica.leader_epoch(), self.replica.partition_epoch());
        let end = Offset(step);
        self.now.monotonic += Duration::from_millis(random.below(5000));
        match random.below(12) {
            0 => self.handle(Input::Assigned(Assigned {
                leader: BROKERS[usize::try_from(random.below(10)).unwrap().saturating_sub(7)],
                leader_epoch: LeaderEpoch(epoch.0 + i32::from(random.below(2) == 0)),
                partition_epoch: partition_epoch + 1,
                isr: &BROKERS,
                replicas: &BROKERS,
                directories: &[Uuid::from_u128(1), Uuid::ZERO, Uuid::from_u128(3)],
                adding: &[],
                removing: &[],
                recovery: LeaderRecoveryState::Recovered,
                log_end: end,
                durable_end: end,
            })),
            1..=3 => self.handle(Input::LogMoved { log_end: end, durable_end: end }),
            4..=6 => self.handle(Input::Fetched(Fetched {
                follower: BrokerId(2 + i32::try_from(random.below(2)).unwrap()),
                broker_epoch: 7,
                offset: Offset(step - i64::try_from(random.below(2)).unwrap()),
                log_start: Offset(0),
            })),
            7 => self.handle(Input::LeaderTold { leader_epoch: epoch, high_watermark: end, log_start: Offset(0) }),
            8 => {
                self.brokers = brokers(random.below(6));
                self.handle(Input::BrokersChanged);
            }
            9 => {
                self.settings.min_insync_replicas = usize::try_from(random.below(4)).unwrap();
                self.handle(Input::SettingsChanged);
            }
            10 => {
                let number = self.proposals.pop().unwrap_or_default();
                let answer = match random.below(3) {
                    0 => AlterAnswer::Refused(AlterRefusal::NoAnswer),
                    1 => AlterAnswer::Refused(AlterRefusal::IneligibleReplica),
                    _ => AlterAnswer::Altered {
                        leader_epoch: epoch,
                        partition_epoch: partition_epoch + 1,
                        isr: &BROKERS[..2],
                    },
                };
                self.handle(Input::AlterPartitionAnswered { number, answer });
            }
            _ => self.handle(Input::Tick),
        }
    }
}

fn driven(seed: u64, steps: i64) -> Driven {
    let (mut random, mut driven) = (Random(seed), Driven::new());
    (0..steps).for_each(|step| driven.step(&mut random, step));
    driven
}

#[test]
fn random_histories_of_a_replica_replay_to_the_same() {
    let (mut inputs, mut effects) = (0, 0);
    for seed in 0..500 {
        let driven = driven(seed, 10 + i64::try_from(seed).unwrap());
        let bytes = driven.recorder.file(&head(Kind::Replica)).unwrap();
        let (recording, replayed, text) = replayed(&bytes, 0);
        assert!(replayed.is_well(), "seed {seed}: {replayed}");
        assert_eq!(recording.head.core, Kind::Replica);
        let state = text.lines().last().unwrap();
        let committed = format!("committed to {}", driven.replica.high_watermark());
        assert!(state.ends_with(&committed), "seed {seed}: {text}, {committed}");
        (inputs, effects) = (inputs + replayed.inputs, effects + replayed.effects);
    }
    println!("{inputs} inputs, {effects} effects");
    assert!(inputs > 20_000 && effects > 3_000, "thin: {inputs} inputs, {effects} effects");
}

#[test]
fn a_recording_is_bounded_and_forgets_no_change_of_what_the_replica_looks_at() {
    let mut driven = driven(5, 10_000);
    driven.settings.replica_lag_time_max_ms = 77;
    driven.handle(Input::Tick);
    let bytes = driven.recorder.file(&head(Kind::Replica)).unwrap();
    assert!(bytes.len() < 64 * 1024, "{}", bytes.len());
    let (_, replayed, text) = replayed(&bytes, 2);
    assert!(replayed.is_well() && replayed.inputs <= 64, "{replayed}");
    assert!(text.contains("replica_lag_time_max_ms: 77"), "{text}");
}

#[test]
fn a_damaged_recording_of_a_replica_is_refused_and_says_where() {
    damage_everywhere(&driven(1, 12).recorder.file(&head(Kind::Replica)).unwrap());
}
