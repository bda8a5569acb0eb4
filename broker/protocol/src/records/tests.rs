//! Records: frames, keys and prefixes as Kafka writes them, every version read back, and nothing accepted that is not whole.

use barnabas_types::Uuid;

use super::every::*;
use super::*;
use crate::IntoOwned;
use crate::messages::tests::{SAMPLES, check, contiguous, version_of};
use crate::mutants::{check_cost, mutate, seeds};
use crate::wire::counting_allocator::measured;
use crate::wire::sample::{Random, Sample};

macro_rules! round_trips {
    ($list:ident $($variant:ident($($record:ident),+) = $number:literal;)*) => {
        mod $list {
            use super::*;

            #[test]
            fn every_record_reads_what_it_wrote_in_every_version() {
                $($(crate::messages::tests::round_trip!($record<'_>);)+)*
            }

            #[test]
            fn every_record_type_stands_in_the_list_once_and_in_order() {
                assert!([$($number),*].is_sorted_by(|one: &i16, next| one < next));
            }
        }
    };
}
crate::every_record!(round_trips);

macro_rules! data_round_trips {
    ($($data:ty;)*) => {
        #[test]
        fn every_data_structure_reads_what_it_wrote_in_every_version() {
            $(crate::messages::tests::round_trip!($data);)*
        }
    };
}
crate::every_data_structure!(data_round_trips);

#[test]
fn a_data_structure_has_its_version_before_it() {
    let bytes = data::encode(&EndTxnMarker { coordinator_epoch: 7 }, 0).unwrap();
    assert_eq!(bytes[..], [0, 0, 0, 0, 0, 7]);
    assert_eq!(data::decode::<EndTxnMarker>(&bytes), Ok(EndTxnMarker { coordinator_epoch: 7 }));
    let error = data::decode::<EndTxnMarker>(&[0, 1, 0, 0, 0, 7]).unwrap_err();
    assert_eq!(error.fault(), &DecodeFault::UnsupportedVersion { supported: EndTxnMarker::VERSIONS });
}

#[test]
fn a_member_by_the_consumer_protocol_says_so_since_null_is_not_the_default() {
    let classic = ConsumerGroupMemberMetadataValue::default();
    let consumer = ConsumerGroupMemberMetadataValue { classic_member_metadata: None, ..classic.clone() };
    let (classic, consumer) = (contiguous(classic.encode(0).unwrap()), contiguous(consumer.encode(0).unwrap()));
    assert_eq!((&classic[11..], &consumer[11..]), (&[0][..], &[1, 0, 1, 0][..]));
}

#[test]
fn a_metadata_record_has_its_frame_before_it() {
    let record =
        MetadataRecord::from(TopicRecord { name: "t".into(), topic_id: Uuid::METADATA_TOPIC, ..Default::default() });
    let mut expected = vec![1, 2, 0, 2, b't'];
    expected.extend(Uuid::METADATA_TOPIC.0);
    expected.push(0);
    assert_eq!(record.encode(0).unwrap(), expected);
    assert_eq!(MetadataRecord::decode(&expected).unwrap().into_owned(), record);
}

#[test]
fn other_frames_types_versions_and_trailing_bytes_are_refused() {
    for (value, fault) in [
        (&[0, 20, 0, 0][..], DecodeFault::UnknownNumber { what: "metadata frame version", number: 0 }),
        (&[1, 13, 0, 0], DecodeFault::UnknownNumber { what: "metadata record type", number: 13 }),
        (&[1, 20, 9, 0], DecodeFault::UnsupportedVersion { supported: NoOpRecord::VERSIONS }),
        (&[1, 20, 0, 0, 7], DecodeFault::TrailingBytes { remaining: 1 }),
        (&[1, 20, 0], DecodeFault::Truncated { needed: 1, remaining: 0 }),
    ] {
        assert_eq!(MetadataRecord::decode(value).unwrap_err().fault(), &fault);
    }
}

#[test]
fn a_change_record_carries_only_what_changed() {
    let change = PartitionChangeRecord { partition_id: 3, leader: 5, isr: Some(vec![5]), ..Default::default() };
    let bytes = MetadataRecord::from(change).encode(2).unwrap();
    assert_eq!(bytes[..7], [1, 5, 2, 0, 0, 0, 3]);
    assert_eq!(bytes[23..], [2, 0, 5, 2, 0, 0, 0, 5, 1, 4, 0, 0, 0, 5]);
}

#[test]
fn a_control_record_is_written_in_the_version_that_it_says() {
    let voter = leader_change::Voter { voter_id: 1, voter_directory_id: Uuid::METADATA_TOPIC, ..Default::default() };
    let message = LeaderChangeMessage { version: 1, leader_id: 1, voters: vec![voter], ..Default::default() };
    let record = ControlRecord::LeaderChange(message);
    let value = record.encode().unwrap();
    assert_eq!((record.key(), value.len()), ([0, 0, 0, 2], 2 + 4 + 1 + 4 + 16 + 1 + 1 + 1));
    assert_eq!(ControlRecord::decode(&record.key(), &value), Ok(record));
    let error = ControlRecord::decode(&[0, 0, 0, 1], &value).unwrap_err();
    assert_eq!(error.fault(), &DecodeFault::UnknownNumber { what: "control record type of the quorum", number: 1 });
}

#[test]
fn a_group_record_has_its_type_before_the_key_and_its_version_before_the_value() {
    let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 1 };
    let value = OffsetCommitValue { offset: 9, commit_timestamp: 5, ..Default::default() };
    let record = GroupRecord::OffsetCommit { key, value: Some(value) };
    let (key, value) = (record.encode_key().unwrap(), record.encode_value(3).unwrap());
    assert_eq!(key[..], [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 1]);
    assert_eq!(value.as_ref().unwrap()[..10], [0, 3, 0, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!(GroupRecord::decode(&key, value.as_deref()).unwrap(), record);
    let GroupRecord::OffsetCommit { value, .. } = GroupRecord::decode(&key, None).unwrap() else {
        panic!("another type")
    };
    assert_eq!(value, None);
}

#[test]
fn a_transaction_record_is_keyed_by_its_transactional_id_and_tags_what_version_1_added() {
    let key = TransactionLogKey { transactional_id: "t".into() };
    let value = TransactionLogValue {
        producer_id: 7,
        producer_epoch: 2,
        transaction_timeout_ms: 60_000,
        transaction_last_update_timestamp_ms: 5,
        transaction_start_timestamp_ms: -1,
        transaction_partitions: None,
        ..Default::default()
    };
    let record = TransactionRecord::Transaction { key, value: Some(value.clone()) };
    let (key, written) = (record.encode_key().unwrap(), record.encode_value(0).unwrap().unwrap());
    assert_eq!(key[..], [0, 0, 0, 1, b't']);
    let fields =
        [&[0, 0, 0, 0, 0, 0, 0, 7, 0, 2, 0, 0, 0xea, 0x60, 0][..], &[0xff; 4], &[0, 0, 0, 0, 0, 0, 0, 5], &[0xff; 8]];
    assert_eq!(written[..], [&[0, 0][..], &fields.concat()].concat());
    assert_eq!(TransactionRecord::decode(&key, Some(&written)).unwrap(), record);
    let value = TransactionLogValue { previous_producer_id: 6, client_transaction_version: 2, ..value };
    let key = TransactionLogKey { transactional_id: "t".into() };
    let record = TransactionRecord::Transaction { key, value: Some(value) };
    let written = record.encode_value(1).unwrap().unwrap();
    assert_eq!(written[written.len() - 15..], [2, 0, 8, 0, 0, 0, 0, 0, 0, 0, 6, 2, 2, 0, 2]);
    let error = record.encode_value(0).unwrap_err();
    assert_eq!(error.fault(), &EncodeFault::FieldNotInVersion);
    let error = TransactionRecord::decode(&[0, 1, 0, 1, b't'], None).unwrap_err();
    assert_eq!(error.fault(), &DecodeFault::UnknownNumber { what: "transaction record type", number: 1 });
}

/// The value of a record that has a frame before it.
fn framed_value<R: Message + Encode>(number: u8, record: R, version: i16) -> Vec<u8> {
    encode_record(&[1, number, version as u8], &record, version).unwrap().to_vec()
}

/// The value of a control record, which begins with the version that the record says of itself.
fn control_value<R: Message + Encode>(record: R, version: i16) -> Vec<u8> {
    let mut value = encode_record(&[], &record, version).unwrap().to_vec();
    value[..2].copy_from_slice(&version.to_be_bytes());
    value
}

/// Key or value of a record of a coordinator, record type or version first.
fn coordinator_part<R: Message + Encode>(prefix: i16, record: R, version: i16) -> Vec<u8> {
    encode_record(&prefix.to_be_bytes(), &record, version).unwrap().to_vec()
}

/// Feeds mutants of samples of `$record`, framed by `$frame`, to `$read`.
macro_rules! feed {
    ($record:ident, $frame:expr, $read:expr) => {
        for seed in seeds() {
            let mut random = Random::new(seed);
            let versions = $record::VERSIONS;
            let version = versions.min + random.below((versions.max - versions.min + 1) as u64) as i16;
            let record = $record::sample(&mut random, version_of::<$record<'_>>(version));
            let mut bytes: Vec<u8> = $frame(record, version);
            mutate(&mut bytes, &mut random);
            let (_, cost) = measured(|| $read(&bytes));
            check_cost(cost, bytes.len(), || format!("{} version {version}, seed {seed}", $record::NAME));
        }
    };
}

macro_rules! feed_framed {
    ($records:ident $($variant:ident($record:ident) = $number:literal;)*) => {$(
        feed!(
            $record,
            |record, version| framed_value($number, record, version),
            |bytes: &[u8]| $records::decode(bytes).is_ok()
        );
    )*};
}

macro_rules! feed_keyed {
    ($records:ident $($variant:ident($key:ident, $value:ident) = $number:literal;)*) => {$(
        feed!(
            $key,
            |key, version| coordinator_part($number, key, version),
            |bytes: &[u8]| $records::decode(bytes, None).is_ok()
        );
        let key = coordinator_part($number, $key::default(), 0);
        feed!(
            $value,
            |value, version| coordinator_part(version, value, version),
            |bytes: &[u8]| $records::decode(&key, Some(bytes)).is_ok()
        );
    )*};
}

macro_rules! feed_each {
    (metadata $($row:tt)*) => { feed_framed!(MetadataRecord $($row)*); };
    (remote_log $($row:tt)*) => { feed_framed!(RemoteLogRecord $($row)*); };
    (control $($variant:ident($record:ident) = $number:literal;)*) => {$(
        feed!($record, control_value, |bytes: &[u8]| ControlRecord::decode(&[0, 0, 0, $number], bytes).is_ok());
    )*};
    (group $($row:tt)*) => { feed_keyed!(GroupRecord $($row)*); };
    (transaction $($row:tt)*) => { feed_keyed!(TransactionRecord $($row)*); };
    (share $($row:tt)*) => { feed_keyed!(ShareRecord $($row)*); };
}

#[test]
fn no_mutant_of_a_framed_record_panics_or_costs_more_than_its_size_allows() {
    crate::every_record!(feed_each);
}
