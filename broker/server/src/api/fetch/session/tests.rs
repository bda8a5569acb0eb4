//! Sessions seen as a client sees them.

use barnabas_protocol::messages::fetch::{FetchTopic, ForgottenTopic};

use super::*;

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
    context.wanted.iter().map(|wanted| wanted.partition).collect()
}

#[test]
fn a_session_tells_only_what_changed() {
    let sessions = FetchSessions::new(10);
    let context = sessions.begin(&request(0, 0, &[(0, 5), (1, 5)]), 17, START, 42).unwrap();
    let (id, topics) = context.finish(vec![data(0, 5, ""), data(1, 5, "")]);
    assert_eq!((id, told(&topics)), (42, vec![0, 1]));

    let context = sessions.begin(&request(42, 1, &[]), 17, START, 1).unwrap();
    assert_eq!(order(&context), [0, 1]);
    let (id, topics) = context.finish(vec![data(0, 5, ""), data(1, 6, "records")]);
    assert_eq!((id, told(&topics)), (42, vec![1]));
}

#[test]
fn who_got_records_is_read_last_the_next_time() {
    let sessions = FetchSessions::new(10);
    let context = sessions.begin(&request(0, 0, &[(0, 5), (1, 5)]), 17, START, 42).unwrap();
    let _reply = context.finish(vec![data(0, 9, "records"), data(1, 5, "")]);
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
    let wanted: Vec<_> = context.wanted.iter().map(|wanted| (wanted.partition, wanted.fetch_offset)).collect();
    assert_eq!(wanted, [(1, 9), (2, 0)]);
}

#[test]
fn an_error_is_told_and_the_recovery_after_it_too() {
    let sessions = FetchSessions::new(10);
    let context = sessions.begin(&request(0, 0, &[(0, 5)]), 17, START, 42).unwrap();
    let _reply = context.finish(vec![data(0, 5, "")]);
    let context = sessions.begin(&request(42, 1, &[]), 17, START, 1).unwrap();
    assert_eq!(told(&context.finish(vec![failed(0, ErrorCode::NOT_LEADER_OR_FOLLOWER)]).1), [0]);
    let context = sessions.begin(&request(42, 2, &[]), 17, START, 1).unwrap();
    assert_eq!(told(&context.finish(vec![data(0, 5, "")]).1), [0]);
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
    assert_eq!(soon.finish(vec![data(0, 5, "")]).0, 0);
    let later = sessions.begin(&request(0, 0, &[(0, 5)]), 17, Duration::from_secs(121), 43).unwrap();
    assert_eq!(later.finish(vec![data(0, 5, "")]).0, 43);
    assert_eq!(sessions.len(), 1);
}

#[test]
fn a_version_without_sessions_gets_none() {
    let sessions = FetchSessions::new(10);
    let context = sessions.begin(&request(0, -1, &[(0, 5)]), 6, START, 42).unwrap();
    assert_eq!(context.finish(vec![data(0, 5, "")]).0, 0);
    assert!(sessions.is_empty());
}
