//! Tests against batches that Apache Kafka's Java client wrote (`testdata/kafka-4.3.1`): we read what it writes, and write
//! byte for byte what it writes wherever the codec leaves no choice.

use barnabas_types::{BrokerId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, Uuid};

use crate::control::{
    ControlRecord, ElectionVoter, EndTransactionMarker, LeaderChange, Voter, VoterEndpoint, control_batch,
    transaction_marker_batch,
};
use crate::{
    AppendRules, BatchBuilder, BatchView, Compression, DecompressLimits, Header, Records, TimestampType, patch,
    validate,
};

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../testdata/kafka-4.3.1/", $name, ".batch")).as_slice()
    };
}

const START: i64 = 1_700_000_000_000;
const DIRECTORY: Uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210);

type OwnedRecord = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn read(batch: &[u8]) -> Vec<OwnedRecord> {
    let view = BatchView::parse(batch).unwrap();
    assert_eq!(view.bytes().len(), batch.len());
    view.check_crc().unwrap();
    let mut records = Records::new(&view, DecompressLimits::default()).unwrap();
    let mut read = Vec::new();
    while let Some(record) = records.next().unwrap() {
        let headers = record.headers().map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec))).collect();
        let (key, value) = (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
        read.push((record.offset.0, record.timestamp.0, key, value, headers));
    }
    read
}

fn few(base_offset: i64) -> Vec<OwnedRecord> {
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let header = |key: &str, value: Option<&str>| (key.as_bytes().to_vec(), value.and_then(text));
    vec![
        (base_offset, START, text("key-0"), text("value-0"), vec![]),
        (
            base_offset + 1,
            START + 5,
            None,
            text("no key"),
            vec![header("a", Some("1")), header("a", Some("2")), header("é", None)],
        ),
        (base_offset + 2, START - 3, text("tombstone"), None, vec![]),
        (base_offset + 3, START + 5, text(""), text(""), vec![header("", Some(""))]),
    ]
}

fn rebuild(mut builder: BatchBuilder, records: &[OwnedRecord]) -> Vec<u8> {
    for (offset, timestamp, key, value, headers) in records {
        let headers: Vec<_> = headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        builder.append_at(Offset(*offset), Timestamp(*timestamp), key.as_deref(), value.as_deref(), &headers).unwrap();
    }
    builder.build().unwrap()
}

fn idempotent(base_offset: i64, compression: Compression) -> BatchBuilder {
    BatchBuilder::new(Offset(base_offset), compression).leader_epoch(LeaderEpoch(9)).producer(
        ProducerId(4711),
        ProducerEpoch(3),
        17,
    )
}

#[test]
fn the_java_clients_records_are_read_in_every_codec() {
    for batch in
        [golden!("few-none"), golden!("few-gzip"), golden!("few-snappy"), golden!("few-lz4"), golden!("few-zstd")]
    {
        assert_eq!(read(batch), few(0));
        let header = *BatchView::parse(batch).unwrap().header();
        assert_eq!((header.producer_id, header.producer_epoch), (ProducerId(4711), ProducerEpoch(3)));
        assert_eq!((header.base_sequence, header.last_sequence()), (17, 20));
        assert_eq!((header.base_timestamp, header.max_timestamp), (Timestamp(START), Timestamp(START + 5)));
    }
}

#[test]
fn large_batches_of_the_java_client_are_read_and_valid_in_every_codec() {
    for batch in [golden!("many-gzip"), golden!("many-snappy"), golden!("many-lz4"), golden!("many-zstd")] {
        let records = read(batch);
        assert_eq!(records.len(), 1000);
        let (offset, timestamp, key, value, _) = &records[777];
        assert_eq!((*offset, *timestamp), (777, START + 777));
        assert_eq!(key.as_deref(), Some(b"key-777".as_slice()));
        let expected = format!("value of record number 777{}", " ".repeat(777 % 300));
        assert_eq!(value.as_deref(), Some(expected.as_bytes()));

        let view = BatchView::parse(batch).unwrap();
        let valid = validate(&view, &AppendRules::default(), Timestamp(START)).unwrap();
        assert_eq!(valid.header, *view.header(), "nothing to change");
        assert_eq!((valid.max_timestamp, valid.offset_delta_of_max_timestamp), (Timestamp(START + 999), 999));
    }
}

#[test]
fn what_we_build_without_a_codec_is_what_the_java_client_builds() {
    assert_eq!(rebuild(idempotent(0, Compression::None), &few(0)), golden!("few-none"));
    assert_eq!(rebuild(idempotent(100, Compression::None).transactional(), &few(100)), golden!("transactional"));
}

#[test]
fn what_we_compress_reads_back_as_the_same_records() {
    for compression in
        [Compression::Gzip { level: -1 }, Compression::Snappy, Compression::Lz4, Compression::Zstd { level: 3 }]
    {
        let batch = rebuild(idempotent(0, compression), &few(0));
        assert_eq!(read(&batch), few(0), "{compression:?}");
    }
}

#[test]
fn log_append_time_is_every_records_time() {
    let golden = golden!("log-append-time");
    let header = *BatchView::parse(golden).unwrap().header();
    assert_eq!(header.attributes.timestamp_type(), TimestampType::LogAppendTime);
    for (record, expected) in read(golden).iter().zip(few(100)) {
        assert_eq!((record.0, record.1, &record.3), (expected.0, header.max_timestamp.0, &expected.3));
    }
    let mut ours = rebuild(BatchBuilder::new(Offset(100), Compression::None), &few(100));
    patch::log_append_time(&mut ours, header.max_timestamp).unwrap();
    assert_eq!(BatchView::parse(&ours).unwrap().header().attributes, header.attributes);
    assert!(read(&ours).iter().all(|record| record.1 == header.max_timestamp.0));
}

fn decode_one(batch: &[u8]) -> ControlRecord {
    let view = BatchView::parse(batch).unwrap();
    view.check_crc().unwrap();
    assert!(view.header().attributes.is_control());
    let mut records = Records::new(&view, DecompressLimits::default()).unwrap();
    let decoded = ControlRecord::decode(&records.next().unwrap().unwrap()).unwrap();
    assert!(records.next().unwrap().is_none());
    decoded
}

#[test]
fn transaction_markers_are_kafkas() {
    for (golden, offset, marker) in [
        (golden!("commit"), 200, ControlRecord::Commit(EndTransactionMarker { coordinator_epoch: 21 })),
        (golden!("abort"), 201, ControlRecord::Abort(EndTransactionMarker { coordinator_epoch: 22 })),
    ] {
        assert_eq!(decode_one(golden), marker);
        let mut ours = transaction_marker_batch(Timestamp(START), ProducerId(4711), ProducerEpoch(3), &marker).unwrap();
        patch::base_offset_and_epoch(&mut ours, Offset(offset), LeaderEpoch(9)).unwrap();
        assert_eq!(ours, golden);
    }
}

#[test]
fn control_records_of_the_quorum_are_kafkas() {
    let election = |version| {
        let directory_id = if version == 0 { Uuid::ZERO } else { DIRECTORY };
        let voter = |id| ElectionVoter { id: BrokerId(id), directory_id };
        let (leader_id, voters) = (BrokerId(1), vec![voter(1), voter(2)]);
        ControlRecord::LeaderChange(LeaderChange { version, leader_id, voters, granting_voters: vec![voter(1)] })
    };
    let voters = vec![Voter {
        id: BrokerId(1),
        directory_id: DIRECTORY,
        endpoints: vec![VoterEndpoint { name: "CONTROLLER".into(), host: "localhost".into(), port: 49093 }],
        min_kraft_version: 0,
        max_kraft_version: 1,
    }];
    for (golden, offset, record) in [
        (golden!("leader-change-v0"), 300, election(0)),
        (golden!("leader-change-v1"), 300, election(1)),
        (
            golden!("snapshot-header"),
            0,
            ControlRecord::SnapshotHeader { last_contained_log_timestamp: Timestamp(START - 1) },
        ),
        (golden!("snapshot-footer"), 7, ControlRecord::SnapshotFooter),
        (golden!("kraft-version"), 1, ControlRecord::KRaftVersion { kraft_version: 1 }),
        (golden!("voters"), 2, ControlRecord::Voters(voters)),
    ] {
        assert_eq!(decode_one(golden), record);
        let ours = control_batch(Offset(offset), LeaderEpoch(9), Timestamp(START), &[record]).unwrap();
        assert_eq!(ours, golden);
    }
}
