//! The cases themselves, in the order of cases.tsv. Every one stands alone: topics and groups of its own.

use std::time::Duration;

use futures::executor::block_on;
use rdkafka::Offset;
use rdkafka::admin::{AdminOptions, NewPartitions};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use rdkafka::types::RDKafkaErrorCode;

use crate::session::{DEADLINE, Session, list, numbers, poll, quiet, read, sorted, until};

type Case = Box<dyn Fn(&Session)>;

pub fn all() -> Vec<(String, Case)> {
    let mut cases: Vec<(String, Case)> = Vec::new();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        cases.push((format!("produce-{codec}"), Box::new(move |s| produce(s, codec))));
    }
    let rest: [(&str, fn(&Session)); 12] = [
        ("headers", headers),
        ("assign-at-stored-offset", assign_at_stored_offset),
        ("group-shares-partitions", group_shares_partitions),
        ("commit-and-resume", commit_and_resume),
        ("publish-subscribe", publish_subscribe),
        ("pause-resume", pause_resume),
        ("create-topic-by-name", create_topic_by_name),
        ("grow-partitions", grow_partitions),
        ("delete-records", delete_records),
        ("describe-groups", describe_groups),
        ("consumer-before-topic", consumer_before_topic),
        ("offset-for-time", offset_for_time),
    ];
    cases.extend(rest.map(|(name, case)| (name.to_string(), Box::new(case) as Case)));
    cases
}

/// Bytes that differ per record, 0 to 2,000 of them, half of them hard to compress.
fn payload(number: usize) -> Vec<u8> {
    let length = number * 37 % 2001;
    let mut state = (number as u32).wrapping_mul(2_654_435_761) | 1;
    let random = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(random).take(length / 2).collect();
    bytes.resize(length, b'w');
    bytes
}

fn produce(s: &Session, codec: &str) {
    let topic = s.topic(&format!("produce-{codec}"), 1);
    let records: Vec<(String, Vec<u8>)> = (0..500).map(|n| (format!("key-{n}"), payload(n))).collect();
    s.produce(
        codec,
        records.iter().map(|(k, v)| BaseRecord::to(&topic).partition(0).key(k.as_bytes()).payload(&v[..])),
    );
    let consumer = s.assigned(&topic, &[(0, Offset::Beginning)]);
    for (n, message) in read(&consumer, 500).iter().enumerate() {
        assert_eq!(message.offset(), n as i64, "an offset is out of order");
        assert!(message.key() == Some(records[n].0.as_bytes()), "the key of {n} differs");
        assert!(message.payload().unwrap_or_default() == records[n].1, "the value of {n} differs");
    }
    quiet(&consumer, Duration::from_millis(300));
}

fn headers(s: &Session) {
    let topic = s.topic("headers", 1);
    let sent: [(&str, Option<&[u8]>); 5] =
        [("a", Some(b"1")), ("b", Some(b"")), ("a", Some(b"2")), ("c", None), ("a", Some(b"1"))];
    let headers = sent.iter().fold(OwnedHeaders::new(), |all, (key, value)| all.insert(Header { key, value: *value }));
    s.produce("none", [BaseRecord::to(&topic).partition(0).payload(&b"v"[..]).key(&b"k"[..]).headers(headers)]);
    let message = read(&s.assigned(&topic, &[(0, Offset::Beginning)]), 1).remove(0);
    let came: Vec<_> = message.headers().unwrap().iter().map(|h| (h.key, h.value)).collect();
    assert_eq!(came, sent, "headers came back otherwise");
}

fn assign_at_stored_offset(s: &Session) {
    let (topic, group) = (s.topic("assign", 1), format!("assign-{}", s.run));
    s.numbered(&topic, 0, 0, 100);
    s.consumer(&group).commit(&list(&topic, &[(0, Offset::Offset(40))]), CommitMode::Sync).unwrap();
    let consumer = s.consumer(&group);
    consumer.assign(&list(&topic, &[(0, Offset::Stored)])).unwrap();
    assert!(numbers(&read(&consumer, 60)).into_iter().eq(40..100), "not the records 40 to 99");
    consumer.assign(&list(&topic, &[(0, Offset::Offset(97))])).unwrap();
    assert!(numbers(&read(&consumer, 3)).into_iter().eq(97..100), "an assigned offset is not where reading starts");
}

fn held(consumer: &BaseConsumer) -> usize {
    consumer.assignment().unwrap().count()
}

fn group_shares_partitions(s: &Session) {
    let (topic, group) = (s.topic("shares", 4), format!("shares-{}", s.run));
    let (first, second) = (s.consumer(&group), s.consumer(&group));
    first.subscribe(&[&topic]).unwrap();
    second.subscribe(&[&topic]).unwrap();
    let step = |consumer: &BaseConsumer| poll(consumer, Duration::from_millis(50));
    until("each member holds two partitions", || {
        let came = [step(&first), step(&second)];
        assert!(came.iter().all(Option::is_none), "a record before there is any");
        held(&first) == 2 && held(&second) == 2
    });
    for partition in 0..4 {
        s.numbered(&topic, partition, partition as usize * 25, 25);
    }
    let values = [numbers(&read(&first, 50)), numbers(&read(&second, 50))].concat();
    assert!(sorted(values).into_iter().eq(0..100), "the members did not get each record once");
    first.commit_consumer_state(CommitMode::Sync).unwrap();
    second.commit_consumer_state(CommitMode::Sync).unwrap();
    drop(first);
    until("the remaining member holds all partitions", || {
        assert!(step(&second).is_none(), "a committed record came again");
        held(&second) == 4
    });
}

fn commit_and_resume(s: &Session) {
    let (topic, group) = (s.topic("resume", 1), format!("resume-{}", s.run));
    s.numbered(&topic, 0, 0, 100);
    let consumer = s.consumer(&group);
    consumer.subscribe(&[&topic]).unwrap();
    let last = read(&consumer, 60).pop().unwrap().offset();
    consumer.commit(&list(&topic, &[(0, Offset::Offset(last + 1))]), CommitMode::Sync).unwrap();
    drop(consumer);
    let consumer = s.consumer(&group);
    consumer.subscribe(&[&topic]).unwrap();
    assert!(numbers(&read(&consumer, 40)).into_iter().eq(60..100), "did not resume at 60");
    let committed = consumer.committed_offsets(list(&topic, &[(0, Offset::Invalid)]), DEADLINE).unwrap();
    assert_eq!(committed.elements()[0].offset(), Offset::Offset(60), "the committed offset");
}

fn publish_subscribe(s: &Session) {
    let topic = s.topic("publish", 2);
    let groups = [0, 1].map(|n| s.consumer(&format!("publish-{n}-{}", s.run)));
    for consumer in &groups {
        consumer.subscribe(&[&topic]).unwrap();
    }
    s.numbered(&topic, 0, 0, 50);
    s.numbered(&topic, 1, 50, 50);
    for consumer in &groups {
        assert!(sorted(numbers(&read(consumer, 100))).into_iter().eq(0..100), "a group did not get every record once");
    }
}

fn pause_resume(s: &Session) {
    let topic = s.topic("pause", 2);
    let consumer = s.assigned(&topic, &[(0, Offset::Beginning), (1, Offset::Beginning)]);
    let paused = list(&topic, &[(1, Offset::Invalid)]);
    consumer.pause(&paused).unwrap();
    s.numbered(&topic, 1, 0, 50);
    s.numbered(&topic, 0, 0, 50);
    assert!(read(&consumer, 50).iter().all(|m| m.partition() == 0), "a paused partition delivered");
    quiet(&consumer, Duration::from_secs(1));
    consumer.resume(&paused).unwrap();
    assert!(numbers(&read(&consumer, 50)).into_iter().eq(0..50), "resumed, not all came");
}

fn create_topic_by_name(s: &Session) {
    let name = format!("by-name-{}", s.run);
    s.create(&name, -1, -1).unwrap();
    let metadata = s.admin.inner().fetch_metadata(Some(&name), DEADLINE).unwrap();
    let partitions = metadata.topics()[0].partitions();
    assert_eq!(partitions.len(), 3, "not the broker's number of partitions");
    assert!(partitions.iter().all(|p| p.replicas().len() == 1), "not one replica");
    assert_eq!(s.create(&name, -1, -1), Err(RDKafkaErrorCode::TopicAlreadyExists));
    assert_eq!(s.create("no spaces allowed", 1, 1), Err(RDKafkaErrorCode::InvalidTopic));
}

fn grow_partitions(s: &Session) {
    let (topic, group) = (s.topic("grow", 1), format!("grow-{}", s.run));
    let consumer = s.consumer(&group);
    consumer.subscribe(&[&topic]).unwrap();
    s.numbered(&topic, 0, 0, 10);
    read(&consumer, 10);
    consumer.commit_consumer_state(CommitMode::Sync).unwrap();
    let grown = block_on(s.admin.create_partitions([&NewPartitions::new(&topic, 3)], &AdminOptions::new())).unwrap();
    grown.into_iter().next().unwrap().unwrap();
    s.numbered(&topic, 1, 10, 10);
    s.numbered(&topic, 2, 20, 10);
    assert!(sorted(numbers(&read(&consumer, 20))).into_iter().eq(10..30), "not the records of the new partitions");
    assert_eq!(held(&consumer), 3, "the partitions that the member holds");
}

fn delete_records(s: &Session) {
    let topic = s.topic("delete", 1);
    s.numbered(&topic, 0, 0, 100);
    let before = list(&topic, &[(0, Offset::Offset(30))]);
    let deleted = block_on(s.admin.delete_records(&before, &AdminOptions::new())).unwrap();
    deleted.elements()[0].error().unwrap();
    let consumer = s.assigned(&topic, &[(0, Offset::Offset(5))]);
    assert_eq!(consumer.fetch_watermarks(&topic, 0, DEADLINE).unwrap(), (30, 100), "the watermarks");
    assert!(numbers(&read(&consumer, 70)).into_iter().eq(30..100), "reading below 30 does not start at 30");
}

fn describe_groups(s: &Session) {
    let (topic, group) = (s.topic("describe", 2), format!("describe-{}", s.run));
    let consumer = s.consumer(&group);
    consumer.subscribe(&[&topic]).unwrap();
    s.numbered(&topic, 0, 0, 1);
    read(&consumer, 1);
    consumer.commit_consumer_state(CommitMode::Sync).unwrap();
    let described = s.admin.inner().fetch_group_list(Some(&group), DEADLINE).unwrap();
    let live = &described.groups()[0];
    assert_eq!((live.state(), live.protocol_type(), live.members().len()), ("Stable", "consumer", 1));
    let member = &live.members()[0];
    assert_eq!(member.client_id(), "describer");
    let assignment = member.assignment().unwrap_or_default();
    assert!(assignment.windows(topic.len()).any(|w| w == topic.as_bytes()), "the assignment does not name the topic");
    drop(consumer);
    let left = s.admin.inner().fetch_group_list(Some(&group), DEADLINE).unwrap();
    assert_eq!((left.groups()[0].state(), left.groups()[0].members().len()), ("Empty", 0));
    let deleted = block_on(s.admin.delete_groups(&[&group], &AdminOptions::new())).unwrap();
    deleted.into_iter().next().unwrap().unwrap();
    let all = s.admin.inner().fetch_group_list(None, DEADLINE).unwrap();
    assert!(all.groups().iter().all(|g| g.name() != group), "a deleted group is still listed");
}

fn consumer_before_topic(s: &Session) {
    let consumer = s.consumer(&format!("before-{}", s.run));
    consumer.subscribe(&[&format!("before-{}", s.run)]).unwrap();
    quiet(&consumer, Duration::from_secs(1));
    s.numbered(&s.topic("before", 1), 0, 0, 10);
    assert!(numbers(&read(&consumer, 10)).into_iter().eq(0..10), "not the ten records in order");
}

fn offset_for_time(s: &Session) {
    let topic = s.topic("time", 1);
    let record = |n: i64| {
        BaseRecord::to(&topic).partition(0).key(&b"k"[..]).payload(&b"v"[..]).timestamp(1_700_000_000_000 + n * 1000)
    };
    s.produce("none", (0..10).map(record));
    let consumer = s.consumer(&format!("time-{}", s.run));
    let at = |timestamp| {
        let found = consumer.offsets_for_times(list(&topic, &[(0, Offset::Offset(timestamp))]), DEADLINE).unwrap();
        found.elements()[0].offset()
    };
    assert_eq!(at(1_700_000_003_500), Offset::Offset(4), "between two records");
    assert_eq!(at(1_700_000_004_000), Offset::Offset(4), "exactly a record's time");
    assert_eq!(at(1_700_000_010_000), Offset::End, "after the last record");
}
