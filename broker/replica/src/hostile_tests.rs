//! Inputs that no honest driver, leader or controller gives, in random order: nothing panics, watermarks at a leader do not go back, and nothing
//! grows without end.

use std::time::Duration;

use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset, Timestamp, TopicIdPartition, Uuid};

use crate::fetcher::{
    self, AppendFailure, Config, EpochEnd, FetchAnswer, FetchFailure, Fetcher, LeaderEnds, LogPosition, OwnLog,
    PartitionAnswer, PartitionError, PartitionOutcome,
};
use crate::{
    AlterAnswer, AlterRefusal, Around, Assigned, BrokerState, Brokers, Durability, Fetched, Input, LeaderRecoveryState,
    Opened, Replica, Settings,
};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// A small number, or one at an end of what a number can be.
    fn number(&mut self) -> i64 {
        match self.below(12) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => -1,
            _ => i64::try_from(self.below(30)).unwrap(),
        }
    }

    fn small(&mut self) -> i32 {
        match self.below(12) {
            0 => i32::MIN,
            1 => i32::MAX,
            2 => -1,
            _ => i32::try_from(self.below(6)).unwrap(),
        }
    }

    fn offset(&mut self) -> Offset {
        Offset(self.number())
    }

    fn epoch(&mut self) -> LeaderEpoch {
        LeaderEpoch(self.small())
    }

    fn broker(&mut self) -> BrokerId {
        BrokerId(self.small())
    }

    fn brokers(&mut self) -> Vec<BrokerId> {
        (0..self.below(4)).map(|_| self.broker()).collect()
    }

    fn now(&mut self) -> Now {
        let milliseconds = if self.below(20) == 0 { u64::MAX } else { self.below(100_000) };
        Now { monotonic: Duration::from_millis(milliseconds), wall: Timestamp(0) }
    }

    fn log(&mut self) -> LogPosition {
        LogPosition {
            log_start: self.offset(),
            log_end: self.offset(),
            durable_end: self.offset(),
            last_epoch: Some(self.epoch()).filter(|epoch| epoch.0 >= 0),
            high_watermark: self.offset(),
        }
    }

    fn own(&mut self) -> OwnLog {
        let end = EpochEnd { epoch: self.epoch(), end_offset: self.offset() };
        OwnLog {
            epoch_end: Some(end).filter(|end| end.epoch.0 >= 0),
            log_end: self.offset(),
            high_watermark: self.offset(),
        }
    }

    fn partition(&mut self) -> TopicIdPartition {
        TopicIdPartition { topic_id: Uuid::ZERO, partition: i32::try_from(self.below(4)).unwrap() }
    }

    fn error(&mut self) -> PartitionError {
        match self.below(5) {
            0 => PartitionError::OffsetOutOfRange,
            1 => PartitionError::FencedLeaderEpoch,
            2 => PartitionError::NotLeaderOrFollower,
            3 => PartitionError::UnknownTopic,
            _ => PartitionError::Other(-1),
        }
    }
}

const DIRECTORIES: [Uuid; 2] = [Uuid::from_u128(1), Uuid::ZERO];

fn replica_input<'a>(random: &mut Random, lists: &'a [Vec<BrokerId>; 4]) -> Input<'a> {
    let (log_end, durable_end) = (random.offset(), random.offset());
    match random.below(9) {
        0 => Input::Assigned(Assigned {
            leader: random.broker(),
            leader_epoch: random.epoch(),
            partition_epoch: random.small(),
            isr: &lists[0],
            replicas: &lists[1],
            directories: &DIRECTORIES,
            adding: &lists[2],
            removing: &lists[3],
            recovery: LeaderRecoveryState::Recovering,
            log_end,
            durable_end,
        }),
        1 => Input::BrokersChanged,
        2 => Input::SettingsChanged,
        3 => Input::LogMoved { log_end, durable_end },
        4 | 5 => Input::Fetched(Fetched {
            follower: random.broker(),
            broker_epoch: random.number(),
            offset: random.offset(),
            log_start: random.offset(),
        }),
        6 => Input::LeaderTold {
            leader_epoch: random.epoch(),
            high_watermark: random.offset(),
            log_start: random.offset(),
        },
        7 => {
            let answer = match random.below(3) {
                0 => AlterAnswer::Refused(AlterRefusal::NoAnswer),
                1 => AlterAnswer::Refused(AlterRefusal::IneligibleReplica),
                _ => AlterAnswer::Altered {
                    leader_epoch: random.epoch(),
                    partition_epoch: random.small(),
                    isr: &lists[0],
                },
            };
            let number = (random.below(6) << 32) | random.below(4);
            Input::AlterPartitionAnswered { number, answer }
        }
        _ => Input::Tick,
    }
}

#[test]
fn no_input_makes_a_replica_panic_or_a_leaders_watermark_go_back() {
    for seed in 0..2000 {
        let random = &mut Random(seed);
        let broker = |random: &mut Random| BrokerState {
            epoch: random.number(),
            is_fenced: random.below(4) == 0,
            is_shutting_down: random.below(4) == 0,
            log_dirs: vec![Uuid::from_u128(u128::from(random.below(3)))],
        };
        let settings = Settings {
            min_insync_replicas: usize::try_from(random.below(4)).unwrap(),
            durability: if random.below(2) == 0 { Durability::Fsync } else { Durability::Replicated },
            replica_lag_time_max_ms: if random.below(5) == 0 { u64::MAX } else { random.below(1000) },
            ..Settings::default()
        };
        let (high_watermark, log_end) = (random.offset(), random.offset());
        let (durable_end, withheld) = (random.offset(), random.epoch());
        let mut replica = Replica::new(Opened { high_watermark, log_end, durable_end, withheld });
        for _ in 0..100 {
            let brokers = Brokers((0..4).map(|id| (BrokerId(id), broker(random))).collect());
            let around = Around { own: BrokerId(1), own_epoch: 7, settings: &settings, brokers: &brokers };
            let lists = [(); 4].map(|()| random.brokers());
            let input = replica_input(random, &lists);
            let (now, mut effects) = (random.now(), Vec::new());
            let before = (replica.is_leader(), replica.leader_epoch(), replica.high_watermark());
            replica.handle(input, &around, now, &mut effects);
            let is_same = before.0 && replica.is_leader() && before.1 == replica.leader_epoch();
            let is_cut = effects.iter().any(|effect| matches!(effect, crate::Effect::CommittedRecordsCut { .. }));
            assert!(!is_same || is_cut || replica.high_watermark() >= before.2, "seed {seed}: {input:?}");
            assert!(effects.len() < 8, "seed {seed}: {effects:?}");
            _ = (replica.next_deadline(&around, now), replica.is_kept(random.offset(), &around));
            _ = (replica.low_watermark(random.offset(), &around), replica.followers().count());
        }
    }
}

fn fetcher_input(random: &mut Random, number: u64) -> fetcher::Input {
    let (partition, leader_epoch, log) = (random.partition(), random.epoch(), random.log());
    let failure =
        [AppendFailure::Corrupt, AppendFailure::Hindered, AppendFailure::Refused, AppendFailure::NotFollowing];
    let failure = failure[usize::try_from(random.below(4)).unwrap()];
    let result = if random.below(3) > 0 { Ok(log) } else { Err(failure) };
    match random.below(10) {
        0 => fetcher::Input::Follow { partition, leader_epoch, log },
        1 => fetcher::Input::Unfollow { partition },
        2 => fetcher::Input::Synced { partition, durable_end: random.offset() },
        3 => fetcher::Input::LogStartMoved { partition, log_start: random.offset() },
        4 => fetcher::Input::Appended { partition, leader_epoch, result },
        5 => fetcher::Input::Truncated { partition, leader_epoch, result },
        6 => {
            let ends = LeaderEnds { log_start: random.offset(), log_end: random.offset() };
            let result = if random.below(2) == 0 { Ok(ends) } else { Err(random.error()) };
            fetcher::Input::LeaderEndsAnswered { partition, leader_epoch, result, own: random.own() }
        }
        7 | 8 => {
            let answer = |random: &mut Random| PartitionAnswer {
                partition: random.partition(),
                outcome: match random.below(3) {
                    0 => PartitionOutcome::Records {
                        has_records: random.below(2) == 0,
                        high_watermark: random.offset(),
                        log_start: random.offset(),
                    },
                    1 => PartitionOutcome::Diverging {
                        leader: EpochEnd { epoch: random.epoch(), end_offset: random.offset() },
                        own: random.own(),
                    },
                    _ => PartitionOutcome::Refused(random.error()),
                },
            };
            let partitions = (0..random.below(5)).map(|_| answer(random)).collect();
            let failures = [FetchFailure::NoAnswer, FetchFailure::SessionIdNotFound, FetchFailure::Session(1)];
            let failure = failures[usize::try_from(random.below(3)).unwrap()];
            let answer = FetchAnswer { session_id: random.small(), partitions };
            let answer = if random.below(4) > 0 { Ok(answer) } else { Err(failure) };
            fetcher::Input::Answered { number, answer }
        }
        _ => fetcher::Input::Tick,
    }
}

#[test]
fn no_input_makes_a_fetcher_panic_or_send_two_requests_at_once() {
    for seed in 0..2000 {
        let random = &mut Random(seed);
        let settings = Settings::default();
        let mut fetcher = Fetcher::new(Config { backoff_ms: 50, sync_patience_ms: 5, settings });
        let (mut sent, mut outstanding) = (0, false);
        for _ in 0..200 {
            let input = fetcher_input(random, sent);
            outstanding &= !matches!(input, fetcher::Input::Answered { .. });
            let (now, mut effects) = (random.now(), Vec::new());
            fetcher.handle(input, now, &mut effects);
            for effect in &effects {
                outstanding &= *effect != fetcher::Effect::HangUp;
                if let fetcher::Effect::Fetch { number, request } = effect {
                    assert!(!outstanding, "seed {seed}: two requests at once");
                    assert!(request.partitions.iter().all(|wanted| !request.forgotten.contains(&wanted.partition)));
                    (sent, outstanding) = (*number, true);
                }
            }
            assert!(effects.len() <= 6, "seed {seed}: {effects:?}");
            assert!(fetcher.len() <= 4);
            _ = fetcher.next_deadline(now);
        }
    }
}
