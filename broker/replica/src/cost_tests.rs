//! What replicas and fetchers may cost: a broker has 100,000 partitions, most of which nobody uses. Counts; measures no time.

use std::time::Duration;

use barnabas_types::{BrokerId, LeaderEpoch, Now, Offset, Timestamp, TopicIdPartition, Uuid};

use crate::fetcher::{
    Config, Effect, FetchAnswer, FetchRequest, Fetcher, Input, LogPosition, PartitionAnswer, PartitionOutcome,
};
use crate::{Around, Assigned, Brokers, LeaderRecoveryState, Opened, Replica, Settings};

const PARTITIONS: i32 = 10_000;
const NOW: Now = Now { monotonic: Duration::ZERO, wall: Timestamp(0) };

fn partition(number: i32) -> TopicIdPartition {
    TopicIdPartition { topic_id: Uuid::METADATA_TOPIC, partition: number }
}

fn log(end: i64) -> LogPosition {
    LogPosition {
        log_start: Offset(0),
        log_end: Offset(end),
        durable_end: Offset(end),
        last_epoch: Some(LeaderEpoch(1)),
        high_watermark: Offset(end),
    }
}

fn answer(session_id: i32, numbers: impl Iterator<Item = i32>, has_records: bool) -> FetchAnswer {
    let outcome = PartitionOutcome::Records { has_records, high_watermark: Offset(10), log_start: Offset(0) };
    let partitions = numbers.map(|number| PartitionAnswer { partition: partition(number), outcome }).collect();
    FetchAnswer { session_id, partitions }
}

fn follow(number: i32) -> Input {
    Input::Follow { partition: partition(number), leader_epoch: LeaderEpoch(1), log: log(10) }
}

/// A fetcher of many partitions, whose leader has answered once.
struct Fetching {
    fetcher: Fetcher,
    number: u64,
    requests: Vec<FetchRequest>,
}

impl Fetching {
    fn new() -> Self {
        let settings = Settings::default();
        let config = Config { backoff_ms: 1000, sync_patience_ms: 20, settings };
        let mut fetching = Self { fetcher: Fetcher::new(config), number: 0, requests: Vec::new() };
        fetching.handle_all((0..PARTITIONS).map(follow), NOW);
        assert_eq!(fetching.requests.len(), 1);
        fetching.answered(answer(7, 0..PARTITIONS, false));
        fetching
    }

    fn handle(&mut self, input: Input) {
        self.handle_all([input], NOW);
    }

    fn handle_all(&mut self, inputs: impl IntoIterator<Item = Input>, now: Now) {
        let mut effects = Vec::new();
        self.fetcher.handle_all(inputs, now, &mut effects);
        for effect in effects {
            if let Effect::Fetch { number, request } = effect {
                self.number = number;
                self.requests.push(request);
            }
        }
    }

    fn answered(&mut self, answer: FetchAnswer) {
        self.handle(Input::Answered { number: self.number, answer: Ok(answer) });
    }
}

#[test]
fn a_replica_is_small_and_has_a_box_only_where_there_are_others() {
    assert!(size_of::<Replica>() <= 64, "{}", size_of::<Replica>());
    let (settings, brokers) = (Settings::default(), Brokers::default());
    let around = Around { own: BrokerId(1), own_epoch: 1, settings: &settings, brokers: &brokers };
    let at = (Offset(0), Offset(0));
    for (leader, replicas, has_box) in [(1, [1, 1], false), (2, [1, 2], false), (1, [1, 2], true)] {
        let opened = Opened { high_watermark: at.0, log_end: at.0, durable_end: at.1, withheld: LeaderEpoch::NONE };
        let mut replica = Replica::new(opened);
        let replicas = replicas.map(BrokerId);
        let assigned = Assigned {
            leader: BrokerId(leader),
            leader_epoch: LeaderEpoch(0),
            partition_epoch: 0,
            isr: &replicas,
            replicas: &replicas,
            directories: &[],
            adding: &[],
            removing: &[],
            recovery: LeaderRecoveryState::Recovered,
            log_end: at.0,
            durable_end: at.1,
        };
        replica.handle(crate::Input::Assigned(assigned), &around, NOW, &mut Vec::new());
        assert_eq!(replica.others().is_some(), has_box, "leader {leader} of {replicas:?}");
        let asks_for_ticks = replica.next_deadline(&around, NOW).is_some();
        assert_eq!(asks_for_ticks, has_box, "only a leader waits for others");
    }
}

#[test]
fn a_round_of_many_idle_partitions_names_none() {
    let mut fetching = Fetching::new();
    let begun = fetching.requests.len();
    for _ in 0..100 {
        fetching.answered(answer(7, 0..0, false));
    }
    let rounds = &fetching.requests[begun..];
    assert_eq!(rounds.len(), 100);
    assert!(rounds.iter().all(|request| request.partitions.is_empty() && request.forgotten.is_empty()));
}

#[test]
fn a_round_names_what_has_changed_and_nothing_else() {
    let mut fetching = Fetching::new();
    for changed in [1, 7, 100] {
        fetching.answered(answer(7, 0..changed, true));
        for number in 0..changed {
            let (partition, leader_epoch) = (partition(number), LeaderEpoch(1));
            fetching.handle(Input::Appended { partition, leader_epoch, result: Ok(log(10 + i64::from(changed))) });
        }
        let request = fetching.requests.last().unwrap();
        assert_eq!(request.partitions.len(), usize::try_from(changed).unwrap());
        assert!(request.forgotten.is_empty());
    }
}

#[test]
fn however_many_partitions_come_one_after_the_other_few_requests_name_all_of_them() {
    let mut fetching = Fetching::new();
    let begun = fetching.requests.len();
    // Nobody answers: the leader keeps the last request.
    for ms in 0..1200 {
        let now = Now { monotonic: Duration::from_millis(1000 + ms), ..NOW };
        fetching.handle_all([follow(PARTITIONS + i32::try_from(ms).unwrap())], now);
    }
    let named: Vec<_> = fetching.requests[begun..].iter().map(|request| request.partitions.len()).collect();
    assert_eq!(named, [10_001, 10_501, 11_001], "at once, and then each half a second");
}
