//! Control records: what brokers write for each other between the records of clients. Knows their bytes, not their effect.
//! Keys are an i16 version and an i16 type; the values of transaction markers begin with an i16 version, those of the quorum
//! are the flexible messages LeaderChangeMessage, SnapshotHeaderRecord, SnapshotFooterRecord, KRaftVersionRecord and
//! VotersRecord of Kafka's schemas (KIP-98, KIP-595, KIP-630, KIP-853).

mod fields;

use barnabas_types::{BrokerId, LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp, Uuid};

use crate::builder::{BatchBuilder, BuildError};
use crate::compression::Compression;
use crate::header::NO_SEQUENCE;
use crate::record::Record;
use fields::{Reader, Writer};

/// Why a control record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// A control record without a key or without a value.
    #[error("control record at offset {offset} has no {missing}")]
    Missing {
        /// Where the record is.
        offset: Offset,
        /// `key` or `value`.
        missing: &'static str,
    },
    /// The key or the value ends too soon, or a length in it is impossible.
    #[error("control record of type {control_type} at offset {offset} is damaged")]
    Damaged {
        /// Where the record is.
        offset: Offset,
        /// The type in the key, -1 if not even that could be read.
        control_type: i16,
    },
}

/// How a transaction ended, in a partition that took part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Epoch of the transaction coordinator that wrote the marker.
    pub coordinator_epoch: i32,
}

/// A voter of a LeaderChange record; the directory is zero in version 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElectionVoter {
    /// The voter's node id.
    pub id: BrokerId,
    /// The directory of its metadata log.
    pub directory_id: Uuid,
}

/// The first record of a leader's epoch in the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderChange {
    /// 0, or 1 with directory ids (kraft.version 1).
    pub version: i16,
    /// The new leader.
    pub leader_id: BrokerId,
    /// All voters of this epoch.
    pub voters: Vec<ElectionVoter>,
    /// Those who voted for the leader.
    pub granting_voters: Vec<ElectionVoter>,
}

/// Where a voter listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterEndpoint {
    /// The listener's name.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// A member of the quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// The voter's node id.
    pub id: BrokerId,
    /// The directory of its metadata log.
    pub directory_id: Uuid,
    /// Where it listens, in order of preference.
    pub endpoints: Vec<VoterEndpoint>,
    /// Lowest kraft.version that it supports.
    pub min_kraft_version: i16,
    /// Highest kraft.version that it supports.
    pub max_kraft_version: i16,
}

/// A control record, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlRecord {
    /// A transaction was aborted.
    Abort(EndTransactionMarker),
    /// A transaction was committed.
    Commit(EndTransactionMarker),
    /// The quorum has a new leader.
    LeaderChange(LeaderChange),
    /// The first record of a snapshot.
    SnapshotHeader {
        /// Append time of the last record that the snapshot holds.
        last_contained_log_timestamp: Timestamp,
    },
    /// The last record of a snapshot.
    SnapshotFooter,
    /// The finalised kraft.version.
    KRaftVersion {
        /// The level.
        kraft_version: i16,
    },
    /// The set of voters.
    Voters(Vec<Voter>),
    /// A type that is newer than this code; to be kept and passed over.
    Unknown {
        /// The type in the key.
        control_type: i16,
    },
}

const ABORT: i16 = 0;
const COMMIT: i16 = 1;
const LEADER_CHANGE: i16 = 2;
const SNAPSHOT_HEADER: i16 = 3;
const SNAPSHOT_FOOTER: i16 = 4;
const KRAFT_VERSION: i16 = 5;
const VOTERS: i16 = 6;

impl ControlRecord {
    /// Decodes a record of a control batch.
    ///
    /// # Errors
    /// [`ControlError::Missing`], [`ControlError::Damaged`].
    pub fn decode(record: &Record<'_>) -> Result<Self, ControlError> {
        Self::decode_fields(record.offset, record.key, record.value)
    }

    fn decode_fields(offset: Offset, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Self, ControlError> {
        let key = key.ok_or(ControlError::Missing { offset, missing: "key" })?;
        let control_type = read_type(key).ok_or(ControlError::Damaged { offset, control_type: -1 })?;
        let value = value.ok_or(ControlError::Missing { offset, missing: "value" })?;
        Self::read(control_type, &mut Reader(value)).ok_or(ControlError::Damaged { offset, control_type })
    }

    fn read(control_type: i16, value: &mut Reader<'_>) -> Option<Self> {
        // Every value begins with its version; later versions only add behind what is known here.
        let version = value.i16()?;
        Some(match control_type {
            ABORT => Self::Abort(EndTransactionMarker { coordinator_epoch: value.i32()? }),
            COMMIT => Self::Commit(EndTransactionMarker { coordinator_epoch: value.i32()? }),
            LEADER_CHANGE => Self::LeaderChange(LeaderChange {
                version,
                leader_id: BrokerId(value.i32()?),
                voters: value.array(|value| election_voter(value, version))?,
                granting_voters: value.array(|value| election_voter(value, version))?,
            }),
            SNAPSHOT_HEADER => Self::SnapshotHeader { last_contained_log_timestamp: Timestamp(value.i64()?) },
            SNAPSHOT_FOOTER => Self::SnapshotFooter,
            KRAFT_VERSION => Self::KRaftVersion { kraft_version: value.i16()? },
            VOTERS => Self::Voters(value.array(voter)?),
            control_type => Self::Unknown { control_type },
        })
    }

    fn type_id(&self) -> i16 {
        match self {
            Self::Abort(_) => ABORT,
            Self::Commit(_) => COMMIT,
            Self::LeaderChange(_) => LEADER_CHANGE,
            Self::SnapshotHeader { .. } => SNAPSHOT_HEADER,
            Self::SnapshotFooter => SNAPSHOT_FOOTER,
            Self::KRaftVersion { .. } => KRAFT_VERSION,
            Self::Voters(_) => VOTERS,
            Self::Unknown { control_type } => *control_type,
        }
    }

    /// The record's key.
    #[must_use]
    pub fn encode_key(&self) -> Vec<u8> {
        let mut key = Writer::default();
        key.i16(0);
        key.i16(self.type_id());
        key.0
    }

    /// The record's value. That of an unknown record is only a version.
    #[must_use]
    pub fn encode_value(&self) -> Vec<u8> {
        let mut value = Writer::default();
        match self {
            Self::Abort(marker) | Self::Commit(marker) => {
                value.i16(0);
                value.i32(marker.coordinator_epoch);
                // A transaction marker is not a flexible message: no tags end it.
                return value.0;
            }
            Self::LeaderChange(change) => put_leader_change(&mut value, change),
            Self::SnapshotHeader { last_contained_log_timestamp } => {
                value.i16(0);
                value.i64(last_contained_log_timestamp.0);
            }
            Self::SnapshotFooter | Self::Unknown { .. } => value.i16(0),
            Self::KRaftVersion { kraft_version } => {
                value.i16(0);
                value.i16(*kraft_version);
            }
            Self::Voters(voters) => {
                value.i16(0);
                value.array(voters, put_voter);
            }
        }
        value.no_tags();
        value.0
    }
}

/// A batch of control records of the metadata log or a snapshot.
///
/// # Errors
/// [`BuildError::Empty`] without records.
pub fn control_batch(
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
    now: Timestamp,
    records: &[ControlRecord],
) -> Result<Vec<u8>, BuildError> {
    let mut builder = BatchBuilder::new(base_offset, Compression::None).leader_epoch(leader_epoch).control();
    for record in records {
        builder.append(now, Some(&record.encode_key()), Some(&record.encode_value()), &[])?;
    }
    builder.build()
}

/// The batch that ends a transaction in a partition.
///
/// # Errors
/// None of [`BuildError`] for one marker; the type is the builder's.
pub fn transaction_marker_batch(
    now: Timestamp,
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    marker: &ControlRecord,
) -> Result<Vec<u8>, BuildError> {
    let mut builder = BatchBuilder::new(Offset(0), Compression::None)
        .producer(producer_id, producer_epoch, NO_SEQUENCE)
        .transactional()
        .control();
    builder.append(now, Some(&marker.encode_key()), Some(&marker.encode_value()), &[])?;
    builder.build()
}

fn read_type(key: &[u8]) -> Option<i16> {
    let mut key = Reader(key);
    let _version = key.i16()?;
    key.i16()
}

fn election_voter(value: &mut Reader<'_>, version: i16) -> Option<ElectionVoter> {
    let id = BrokerId(value.i32()?);
    let directory_id = if version >= 1 { value.uuid()? } else { Uuid::ZERO };
    value.skip_tags()?;
    Some(ElectionVoter { id, directory_id })
}

fn put_leader_change(value: &mut Writer, change: &LeaderChange) {
    value.i16(change.version);
    value.i32(change.leader_id.0);
    for voters in [&change.voters, &change.granting_voters] {
        value.array(voters, |value, voter| {
            value.i32(voter.id.0);
            if change.version >= 1 {
                value.uuid(voter.directory_id);
            }
            value.no_tags();
        });
    }
}

fn voter(value: &mut Reader<'_>) -> Option<Voter> {
    let id = BrokerId(value.i32()?);
    let directory_id = value.uuid()?;
    let endpoints = value.array(|value| {
        let endpoint = VoterEndpoint { name: value.string()?, host: value.string()?, port: value.u16()? };
        value.skip_tags()?;
        Some(endpoint)
    })?;
    let (min_kraft_version, max_kraft_version) = (value.i16()?, value.i16()?);
    // The version range is a struct of its own, with its own tags.
    value.skip_tags()?;
    value.skip_tags()?;
    Some(Voter { id, directory_id, endpoints, min_kraft_version, max_kraft_version })
}

fn put_voter(value: &mut Writer, voter: &Voter) {
    value.i32(voter.id.0);
    value.uuid(voter.directory_id);
    value.array(&voter.endpoints, |value, endpoint| {
        value.string(&endpoint.name);
        value.string(&endpoint.host);
        value.u16(endpoint.port);
        value.no_tags();
    });
    value.i16(voter.min_kraft_version);
    value.i16(voter.max_kraft_version);
    value.no_tags();
    value.no_tags();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> [ControlRecord; 3] {
        let voter = ElectionVoter { id: BrokerId(3), directory_id: Uuid::METADATA_TOPIC };
        let endpoint = VoterEndpoint { name: "C".into(), host: "h".into(), port: 1 };
        let (leader_id, voters, granting_voters) = (BrokerId(3), vec![voter; 2], vec![voter]);
        [
            ControlRecord::Commit(EndTransactionMarker { coordinator_epoch: 1 }),
            ControlRecord::LeaderChange(LeaderChange { version: 1, leader_id, voters, granting_voters }),
            ControlRecord::Voters(vec![Voter {
                id: BrokerId(3),
                directory_id: Uuid::ZERO,
                endpoints: vec![endpoint],
                min_kraft_version: 0,
                max_kraft_version: 1,
            }]),
        ]
    }

    #[test]
    fn values_that_are_cut_off_are_damage() {
        for record in examples() {
            let (key, value) = (record.encode_key(), record.encode_value());
            let decode = |value: &[u8]| ControlRecord::decode_fields(Offset(1), Some(&key), Some(value));
            assert_eq!(decode(&value), Ok(record));
            // The tags at the very end are the only thing that may be missing.
            for cut in 0..value.len() - 1 {
                assert!(decode(&value[..cut]).is_err(), "cut at {cut} of {}", value.len());
            }
        }
    }

    #[test]
    fn a_record_without_key_or_value_is_named_so() {
        let key = ControlRecord::SnapshotFooter.encode_key();
        let missing = |key, value| ControlRecord::decode_fields(Offset(1), key, value).unwrap_err();
        assert_eq!(missing(None, None), ControlError::Missing { offset: Offset(1), missing: "key" });
        assert_eq!(missing(Some(&key), None), ControlError::Missing { offset: Offset(1), missing: "value" });
        assert_eq!(missing(Some(&[0]), None), ControlError::Damaged { offset: Offset(1), control_type: -1 });
    }

    #[test]
    fn a_newer_type_is_passed_over() {
        let decoded = ControlRecord::decode_fields(Offset(1), Some(&[0, 0, 0, 99]), Some(&[0, 0]));
        assert_eq!(decoded, Ok(ControlRecord::Unknown { control_type: 99 }));
    }

    #[test]
    fn declared_counts_reserve_nothing() {
        let mut value = vec![0, 0];
        value.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
        let key = ControlRecord::Voters(Vec::new()).encode_key();
        assert!(ControlRecord::decode_fields(Offset(1), Some(&key), Some(&value)).is_err());
    }
}
