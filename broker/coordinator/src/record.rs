//! The records of `__consumer_offsets` that a group shard writes and reads, and in which versions. Knows no group's state.

use barnabas_protocol::records::GroupRecord;
use barnabas_protocol::records::coordinator::{GroupMetadataKey, OffsetCommitKey};
use barnabas_protocol::{DecodeError, EncodeError, IntoOwned};
use thiserror::Error;

/// Of an offset commit, the one version that says when it expires.
const OFFSET_COMMIT_WITH_EXPIRY_VERSION: i16 = 1;
/// Of an offset commit, the version that Kafka 4.3 writes otherwise: with leader epoch and topic id.
const OFFSET_COMMIT_VERSION: i16 = 4;
/// Of a classic group, the version that Kafka 4.3 writes: with static members.
const GROUP_METADATA_VERSION: i16 = 3;

/// A record of a group shard. Without a value it takes back what its key names.
pub type Record = GroupRecord<'static>;

/// The pattern of the records that this release knows and whose groups it does not serve: consumer, share and streams groups.
macro_rules! unserved {
    () => {
        $crate::Record::ConsumerGroupMetadata { .. }
            | $crate::Record::ConsumerGroupPartitionMetadata { .. }
            | $crate::Record::ConsumerGroupMemberMetadata { .. }
            | $crate::Record::ConsumerGroupTargetAssignmentMetadata { .. }
            | $crate::Record::ConsumerGroupTargetAssignmentMember { .. }
            | $crate::Record::ConsumerGroupCurrentMemberAssignment { .. }
            | $crate::Record::ShareGroupMemberMetadata { .. }
            | $crate::Record::ShareGroupMetadata { .. }
            | $crate::Record::ShareGroupTargetAssignmentMetadata { .. }
            | $crate::Record::ShareGroupTargetAssignmentMember { .. }
            | $crate::Record::ShareGroupCurrentMemberAssignment { .. }
            | $crate::Record::ShareGroupStatePartitionMetadata { .. }
            | $crate::Record::ConsumerGroupRegularExpression { .. }
            | $crate::Record::StreamsGroupMetadata { .. }
            | $crate::Record::StreamsGroupMemberMetadata { .. }
            | $crate::Record::StreamsGroupTargetAssignmentMetadata { .. }
            | $crate::Record::StreamsGroupTargetAssignmentMember { .. }
            | $crate::Record::StreamsGroupCurrentMemberAssignment { .. }
            | $crate::Record::StreamsGroupTopology { .. }
    };
}
pub(crate) use unserved;

/// A record's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRecord {
    /// Never empty.
    pub key: bytes::Bytes,
    /// None in a tombstone.
    pub value: Option<bytes::Bytes>,
}

impl EncodedRecord {
    /// Bytes of key and value together.
    #[must_use]
    pub fn size(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, bytes::Bytes::len)
    }
}

/// Bytes that are no record of this partition.
#[derive(Debug, Error)]
pub enum DecodeRecordError {
    /// There is no key, or it is too short to say what kind of record it is.
    #[error("the record's key has {bytes} bytes, too few for the number of its kind")]
    NoKind {
        /// The key's size.
        bytes: usize,
    },
    /// Key or value are not what their number says.
    #[error("the record cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// Of a group that is not served. [`decode`] leaves such records in the log, where they stay.
    #[error("record type {kind} belongs to a kind of group that this release does not serve")]
    NotServed {
        /// The record type.
        kind: i16,
    },
    /// It can be read and makes no sense.
    #[error("the record of group {group_id} contradicts itself: {what}")]
    Contradiction {
        /// The group.
        group_id: Box<str>,
        /// What is wrong.
        what: &'static str,
    },
}

/// The record's key and value, in the versions that Kafka 4.3 writes.
///
/// # Errors
/// A string in it is longer than 32,767 bytes.
pub fn encode(record: &Record) -> Result<EncodedRecord, EncodeError> {
    let version = match record {
        GroupRecord::LegacyOffsetCommit { .. } => 0,
        GroupRecord::OffsetCommit { value: Some(value), .. } if value.expire_timestamp >= 0 => {
            OFFSET_COMMIT_WITH_EXPIRY_VERSION
        }
        GroupRecord::OffsetCommit { .. } => OFFSET_COMMIT_VERSION,
        GroupRecord::GroupMetadata { .. } => GROUP_METADATA_VERSION,
        // They have no other version.
        unserved!() => 0,
    };
    Ok(EncodedRecord { key: record.encode_key()?, value: record.encode_value(version)? })
}

/// The record that `key` and `value` say. None for a kind that is not known or not served, which a later version or Kafka has written:
/// it stays in the log, compaction included, and is not looked at.
///
/// # Errors
/// The bytes are damaged or of a version that is not known.
pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Option<Record>, DecodeRecordError> {
    let key = key.unwrap_or_default();
    let (kind, _) = key.split_first_chunk().ok_or(DecodeRecordError::NoKind { bytes: key.len() })?;
    match i16::from_be_bytes(*kind) {
        0..=2 => Ok(Some(GroupRecord::decode(key, value)?.into_owned())),
        _ => Ok(None),
    }
}

/// Takes back a group.
pub(crate) fn group_tombstone(group_id: &str) -> Record {
    GroupRecord::GroupMetadata { key: GroupMetadataKey { group: group_id.to_owned().into() }, value: None }
}

/// Takes back an offset.
pub(crate) fn offset_tombstone(group_id: &str, topic: &str, partition: i32) -> Record {
    let key = OffsetCommitKey { group: group_id.to_owned().into(), topic: topic.to_owned().into(), partition };
    GroupRecord::OffsetCommit { key, value: None }
}

#[cfg(test)]
mod tests {
    use barnabas_protocol::records::coordinator::OffsetCommitValue;

    use super::*;

    fn commit(expire_timestamp: i64) -> Record {
        let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 3 };
        let value = OffsetCommitValue {
            offset: 5,
            metadata: "m".into(),
            commit_timestamp: 7,
            expire_timestamp,
            ..Default::default()
        };
        GroupRecord::OffsetCommit { key, value: Some(value) }
    }

    /// Written by Kafka 4.3.1's own classes: group g, generation 4, member m.
    const GROUP: [&str; 2] = [
        "0002000167",
        "00030008636f6e73756d657200000004000572616e676500016d00000000000000070000000100016d000169000163000a2f3132372e302e302e31\
         0000ea60000027100000000200010000000102",
    ];
    /// As above, in the oldest version: no rebalance timeout, no group.instance.id, no time.
    const OLD_GROUP: [&str; 2] = [
        "0002000167",
        "00000008636f6e73756d657200000004000572616e676500016d0000000100016d000163000a2f3132372e302e302e310000271000000002\
         00010000000102",
    ];
    /// Group g, topic t, partition 3, offset 5: with a topic id; before there were any; with an expiry; by the oldest brokers.
    const OFFSETS: [[&str; 2]; 4] = [
        [
            "000100016700017400000003",
            "0004000000000000000500000006026d000000000000000701001000000000000000010000000000000002",
        ],
        ["000100016700017400000003", "000300000000000000050000000600016d0000000000000007"],
        ["000100016700017400000003", "0001000000000000000500016d00000000000000070000000000000009"],
        ["000000016700017400000003", "0000000000000000000500016d0000000000000007"],
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn read([key, value]: [&str; 2]) -> Record {
        decode(Some(&bytes(key)), Some(&bytes(value))).unwrap().unwrap()
    }

    #[test]
    fn what_kafka_wrote_is_read_and_written_again_byte_for_byte() {
        for written in [GROUP, OFFSETS[0], OFFSETS[2], OFFSETS[3]] {
            let encoded = encode(&read(written)).unwrap();
            assert_eq!((&encoded.key[..], encoded.value.as_deref()), (&*bytes(written[0]), Some(&*bytes(written[1]))));
        }
    }

    #[test]
    fn every_version_of_an_offset_commit_says_the_same() {
        for written in [OFFSETS[0], OFFSETS[1], OFFSETS[2]] {
            let GroupRecord::OffsetCommit { key, value: Some(value) } = read(written) else { panic!("{written:?}") };
            assert_eq!((&*key.group, &*key.topic, key.partition), ("g", "t", 3));
            assert_eq!((value.offset, &*value.metadata, value.commit_timestamp), (5, "m", 7));
        }
        assert!(matches!(read(OFFSETS[3]), GroupRecord::LegacyOffsetCommit { .. }));
    }

    #[test]
    fn the_oldest_version_of_a_group_has_its_members() {
        let GroupRecord::GroupMetadata { value: Some(value), .. } = read(OLD_GROUP) else { panic!("no group") };
        let member = value.members.first().unwrap();
        assert_eq!((member.session_timeout, member.rebalance_timeout), (10_000, -1));
        assert_eq!((&*member.subscription, &*member.assignment), (&[0, 1][..], &[2][..]));
    }

    #[test]
    fn kinds_that_are_not_known_are_passed_over() {
        assert_eq!(decode(Some(&[0, 3, 1, 2]), None).unwrap(), None);
    }

    #[test]
    fn damaged_records_are_refused() {
        assert!(matches!(decode(None, None), Err(DecodeRecordError::NoKind { bytes: 0 })));
        assert!(matches!(decode(Some(&[0]), None), Err(DecodeRecordError::NoKind { bytes: 1 })));
        let encoded = encode(&commit(-1)).unwrap();
        let value = encoded.value.unwrap();
        for end in 0..value.len() {
            assert!(decode(Some(&encoded.key), Some(&value[..end])).is_err(), "cut at {end}");
        }
    }
}
