//! Sessions seen as a client sees them.

use barnabas_protocol::messages::fetch::{FetchTopic, ForgottenTopic};

use super::*;
use crate::replica::Moved;

const START: Duration = Duration::ZERO;

fn request(session_id: i32, session_epoch: i32, partitions: &[(i32, i64)]) -> FetchRequest<'static> {
    let partitions = partitions
        .iter()
        .map(|&(partition, fetch_offset)| FetchPartition { partition, fetch_offset, ..Default::default() })
        .collect::<Vec<_>>();
    let topic = FetchTopic { topic_id: Uuid::from_u128(7), partitions, ..Default::default() };
    let topics = if topic.partitions.is_empty() { vec![] } else { vec![topic] };
    FetchRequest { session_id, session_epoch, topics, ..Default::default() }
}

fn data(partition: i32, high_watermark: i64, records: &'static str) -> PartitionData<'static> {
    let records = Some(Records::Bytes(records.into()));
    PartitionData { partition_index: partition, high_watermark, log_start_offset: 0, records, ..Default::default() }
}

fn told(topics: &[FetchableTopicResponse<'_>]) -> Vec<i32> {
    topics.iter().flat_map(|topic| topic.partitions.iter().map(|data| data.partition_index)).collect()
}

fn order(context: &FetchContext) -> Vec<i32> {
    context.looks.iter().map(|look| look.wanted.partition).collect()
}

impl FetchContext {
    /// Reads `results`, in the order of the partitions, which are all to be looked at in the next Fetch.
    fn answered(self, results: Vec<PartitionData<'static>>) -> (i32, Vec<FetchableTopicResponse<'static>>) {
        self.read_and_answered(results, true)
    }

    fn read_and_answered(
        mut self,
        results: Vec<PartitionData<'static>>,
        is_due: bool,
    ) -> (i32, Vec<FetchableTopicResponse<'static>>) {
        let mut results = results.into_iter();
        self.read(|_| (), |()| None, |_, (), _| (results.next().unwrap(), is_due));
        self.finish()
    }
}

/// Partitions that are watched, none of which has news after the first Fetch.
struct Idle {
    sessions: FetchSessions,
    watchers: HashMap<i32, Arc<Watchers>>,
    epoch: i32,
}

impl Idle {
    fn of(partitions: i32) -> Self {
        let wanted: Vec<_> = (0..partitions).map(|partition| (partition, 5)).collect();
        let watchers = (0..partitions).map(|partition| (partition, Arc::default())).collect();
        let mut idle = Self { sessions: FetchSessions::new(10), watchers, epoch: 0 };
        let looked = idle.fetch(&request(0, 0, &wanted), |_| false);
        assert_eq!(looked.len(), wanted.len());
        idle
    }

    /// Fetches; returns the partitions that were looked at. `is_due` says of which there is more to read.
    fn fetch(&mut self, request: &FetchRequest<'_>, is_due: impl Fn(i32) -> bool) -> Vec<i32> {
        let mut context = self.sessions.begin(request, 17, START, 42).unwrap();
        let mut looked = Vec::new();
        let read = |wanted: &Wanted, _: &Arc<Watchers>, _| {
            looked.push(wanted.partition);
            (data(wanted.partition, 5, ""), is_due(wanted.partition))
        };
        context.read(|wanted| Arc::clone(&self.watchers[&wanted.partition]), |watchers| Some(watchers), read);
        let _told = context.finish();
        self.epoch += 1;
        looked
    }

    fn fetch_again(&mut self) -> Vec<i32> {
        self.fetch(&request(42, self.epoch, &[]), |_| false)
    }
}

#[test]
fn of_ten_thousand_partitions_those_are_looked_at_that_have_moved() {
    let mut idle = Idle::of(10_000);
    assert!(idle.fetch_again().is_empty());
    idle.watchers[&7_000].note(Moved::LogEnd);
    idle.watchers[&3].note(Moved::LogStart);
    idle.watchers[&7_000].note(Moved::HighWatermark);
    assert_eq!(idle.fetch_again(), [3, 7_000]);
    assert!(idle.fetch_again().is_empty());
}

#[test]
fn what_the_client_changes_and_what_was_not_read_to_its_end_is_looked_at() {
    let mut idle = Idle::of(10);
    assert_eq!(idle.fetch(&request(42, 1, &[(4, 6), (5, 6)]), |partition| partition == 5), [4, 5]);
    assert_eq!(idle.fetch(&request(42, 2, &[]), |_| true), [5]);
    assert_eq!(idle.fetch_again(), [5]);
    assert!(idle.fetch_again().is_empty());
}

#[test]
fn a_partition_that_moves_while_it_is_waited_for_is_read_again_and_others_are_not() {
    let idle = Idle::of(10);
    let mut context = idle.sessions.begin(&request(42, 1, &[(4, 6), (5, 6)]), 17, START, 1).unwrap();
    let read = |context: &mut FetchContext, records: &'static str| {
        let mut looked = Vec::new();
        let read = |wanted: &Wanted, _: &Arc<Watchers>, bytes: usize| {
            looked.push((wanted.partition, bytes));
            (data(wanted.partition, 5, records), false)
        };
        let bytes =
            context.read(|wanted| Arc::clone(&idle.watchers[&wanted.partition]), |watchers| Some(watchers), read);
        (looked, bytes)
    };
    assert_eq!(read(&mut context, "ab"), (vec![(4, 0), (5, 2)], 4));
    idle.watchers[&5].note(Moved::HighWatermark);
    idle.watchers[&1].note(Moved::HighWatermark);
    context.take_news();
    assert_eq!(context.unread(), 2);
    assert_eq!(read(&mut context, "c"), (vec![(1, 2), (5, 3)], 4));
    assert_eq!(told(&context.finish().1), [1, 4, 5]);
}

#[test]
fn what_a_client_that_is_gone_was_not_told_is_looked_at_again() {
    let mut idle = Idle::of(10);
    idle.watchers[&2].note(Moved::LogEnd);
    drop(idle.sessions.begin(&request(42, 1, &[]), 17, START, 1).unwrap());
    idle.epoch = 2;
    assert_eq!(idle.fetch_again(), [2]);
}

#[test]
fn a_session_that_is_gone_watches_nothing() {
    let idle = Idle::of(3);
    let kept = idle.watchers[&0].clone();
    assert_eq!(kept.count(), 1);
    let mut change = request(42, 1, &[]);
    change.forgotten_topics_data =
        vec![ForgottenTopic { topic_id: Uuid::from_u128(7), partitions: vec![0], ..Default::default() }];
    drop(idle.sessions.begin(&change, 17, START, 1).unwrap());
    assert_eq!((kept.count(), idle.watchers[&1].count()), (0, 1), "forgotten");
    drop(idle.sessions.begin(&request(42, -1, &[]), 17, START, 1).unwrap());
    assert_eq!(idle.watchers[&1].count(), 0, "closed");
}

#[test]
fn followers_take_slots_of_consumers_and_never_the_other_way_round_as_in_kafka() {
    let hours = Duration::from_secs(3600);
    let of = |replica_id, partitions: i32| FetchRequest {
        replica_id,
        ..request(0, 0, &(0..partitions).map(|partition| (partition, 0)).collect::<Vec<_>>())
    };
    let has_session = |sessions: &FetchSessions, request: &FetchRequest<'_>, now, id| {
        let context = sessions.begin(request, 12, now, id).unwrap();
        context.session_id == id
    };
    let sessions = FetchSessions::new(1);
    assert!(has_session(&sessions, &of(-1, 9), START, 1));
    assert!(!has_session(&sessions, &of(-1, 10), START, 2), "the first has just begun");
    assert!(has_session(&sessions, &of(5, 1), START, 3), "a follower goes first");
    assert!(!has_session(&sessions, &of(6, 9), START, 4), "another follower has it");
    // In use all the time, and for long.
    let follows = |now| lock(&sessions.slots).values_mut().for_each(|slot| slot.used = now);
    follows(hours);
    assert!(!has_session(&sessions, &of(-1, 100), hours, 5), "never a consumer for a follower");
    assert!(!has_session(&sessions, &of(6, 1), hours, 6), "it fetches no more");
    assert!(has_session(&sessions, &of(6, 2), hours, 7), "it fetches more");
    assert!(has_session(&sessions, &of(-1, 1), hours + EVICTION_AGE, 8), "nobody uses it");
}

#[test]
fn a_session_tells_only_what_changed() {
    let sessions = FetchSessions::new(10);
    let context = sessions.begin(&request(0, 0, &[(0, 5), (1, 5)]), 17, START, 42).unwrap();
    let (id, topics) = context.answered(vec![data(0, 5, ""), data(1, 5, "")]);
    assert_eq!((id, told(&topics)), (42, vec![0, 1]));

    let context = sessions.begin(&request(42, 1, &[]), 17, START, 1).unwrap();
    assert_eq!(order(&context), [0, 1]);
    let (id, topics) = context.answered(vec![data(0, 5, ""), data(1, 6, "records")]);
    assert_eq!((id, told(&topics)), (42, vec![1]));
}

#[test]
fn who_got_records_is_read_last_the_next_time() {
    let sessions = FetchSessions::new(10);
    let context = sessions.begin(&request(0, 0, &[(0, 5), (1, 5)]), 17, START, 42).unwrap();
    let _reply = context.answered(vec![data(0, 9, "records"), data(1, 5, "")]);
    assert_eq!(order(&sessions.begin(&request(42, 1, &[]), 17, START, 1).unwrap()), [1, 0]);
}

#[test]
fn partitions_are_added_changed_and_forgotten() {
    let sessions = FetchSessions::new(10);
    sessions.begin(&request(0, 0, &[(0, 5), (1, 5)]), 17, START, 42).unwrap();
    let mut change = request(42, 1, &[(1, 9), (2, 0)]);
    change.forgotten_topics_data =
        vec![ForgottenTopic { topic_id: Uuid::from_u128(7), partitions: vec![0], ..Default::default() }];
    let context = sessions.begin(&change, 17, START, 1).unwrap();
    let wanted: Vec<_> = context.looks.iter().map(|look| (look.wanted.partition, look.wanted.fetch_offset)).collect();
    assert_eq!(wanted, [(1, 9), (2, 0)]);
}

#[test]
fn an_error_is_told_and_the_recovery_after_it_too() {
    let sessions = FetchSessions::new(10);
    let context = sessions.begin(&request(0, 0, &[(0, 5)]), 17, START, 42).unwrap();
    let _reply = context.answered(vec![data(0, 5, "")]);
    let context = sessions.begin(&request(42, 1, &[]), 17, START, 1).unwrap();
    assert_eq!(told(&context.answered(vec![failed(0, ErrorCode::NOT_LEADER_OR_FOLLOWER)]).1), [0]);
    let context = sessions.begin(&request(42, 2, &[]), 17, START, 1).unwrap();
    assert_eq!(told(&context.answered(vec![data(0, 5, "")]).1), [0]);
}

#[test]
fn wrong_epochs_and_unknown_sessions_are_refused() {
    let sessions = FetchSessions::new(10);
    sessions.begin(&request(0, 0, &[(0, 5)]), 17, START, 42).unwrap();
    let refused = |request, version| sessions.begin(&request, version, START, 1).unwrap_err();
    assert_eq!(refused(request(42, 2, &[]), 17), ErrorCode::INVALID_FETCH_SESSION_EPOCH);
    assert_eq!(refused(request(43, 1, &[]), 17), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
    assert_eq!(refused(request(42, 1, &[]), 12), ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
    sessions.begin(&request(42, -1, &[(0, 5)]), 17, START, 1).unwrap();
    assert_eq!(refused(request(42, 1, &[]), 17), ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

#[test]
fn a_full_cache_serves_without_a_session_until_an_old_one_may_go() {
    let sessions = FetchSessions::new(1);
    sessions.begin(&request(0, 0, &[(0, 5)]), 17, START, 42).unwrap();
    let soon = sessions.begin(&request(0, 0, &[(0, 5)]), 17, Duration::from_secs(119), 43).unwrap();
    assert_eq!(soon.answered(vec![data(0, 5, "")]).0, 0);
    let later = sessions.begin(&request(0, 0, &[(0, 5)]), 17, Duration::from_secs(121), 43).unwrap();
    assert_eq!(later.answered(vec![data(0, 5, "")]).0, 43);
    assert_eq!(sessions.len(), 1);
}

#[test]
fn a_version_without_sessions_gets_none() {
    let sessions = FetchSessions::new(10);
    let context = sessions.begin(&request(0, -1, &[(0, 5)]), 6, START, 42).unwrap();
    assert_eq!(context.answered(vec![data(0, 5, "")]).0, 0);
    assert!(sessions.is_empty());
}
