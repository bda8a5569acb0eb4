//! The messages that every encoder and decoder is measured with, ours and others': built from nothing but numbers, so that they are the same
//! everywhere.

use std::borrow::Cow;

use barnabas_protocol::messages::{fetch, metadata, produce};
use barnabas_protocol::{EncodeError, Message, Records};
use barnabas_types::{Segment, Uuid};
use bytes::Bytes;

/// The version in which the Produce request is measured.
pub const PRODUCE_VERSION: i16 = 12;
/// The version in which the Fetch response is measured.
pub const FETCH_VERSION: i16 = 17;
/// The version in which the Metadata response is measured.
pub const METADATA_VERSION: i16 = 12;

const PRODUCE_RECORDS_BYTES: usize = 16 * 1024;
const FETCH_RECORDS_BYTES: usize = 1024;

/// Bytes that stand for records: neither encoders nor decoders of messages look into them.
fn records(length: usize) -> Records<'static> {
    Records::Bytes((0..length).map(|index| (index * 31 % 251) as u8).collect())
}

/// A Produce request for one partition, with 16 KiB of records.
#[must_use]
pub fn produce_request() -> produce::ProduceRequest<'static> {
    let partition = produce::PartitionProduceData {
        index: 7,
        records: Some(records(PRODUCE_RECORDS_BYTES)),
        ..produce::PartitionProduceData::default()
    };
    let topic = produce::TopicProduceData {
        name: Cow::Borrowed("orders-of-the-day"),
        partition_data: vec![partition],
        ..produce::TopicProduceData::default()
    };
    produce::ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![topic],
        ..produce::ProduceRequest::default()
    }
}

/// A Fetch response with ten topics of ten partitions, each with 1 KiB of records.
#[must_use]
pub fn fetch_response() -> fetch::FetchResponse<'static> {
    let partition = |partition_index| fetch::PartitionData {
        partition_index,
        high_watermark: 1_000_000 + i64::from(partition_index),
        last_stable_offset: 1_000_000 + i64::from(partition_index),
        log_start_offset: 0,
        aborted_transactions: None,
        records: Some(records(FETCH_RECORDS_BYTES)),
        ..fetch::PartitionData::default()
    };
    let topic = |number: u128| fetch::FetchableTopicResponse {
        topic_id: Uuid::from_u128(0x1234_5678 << 64 | number),
        partitions: (0..10).map(partition).collect(),
        ..fetch::FetchableTopicResponse::default()
    };
    fetch::FetchResponse {
        session_id: 4711,
        responses: (1..=10).map(topic).collect(),
        ..fetch::FetchResponse::default()
    }
}

/// A Metadata response of a cluster of three brokers with 1,000 topics of three partitions, three times replicated.
#[must_use]
pub fn metadata_response() -> metadata::MetadataResponse<'static> {
    let broker = |node_id| metadata::MetadataResponseBroker {
        node_id,
        host: Cow::Owned(format!("broker-{node_id}.kafka.example.com")),
        port: 9092,
        rack: Some(Cow::Owned(format!("zone-{node_id}"))),
        ..metadata::MetadataResponseBroker::default()
    };
    let partition = |partition_index| metadata::MetadataResponsePartition {
        partition_index,
        leader_id: partition_index,
        leader_epoch: 12,
        replica_nodes: vec![0, 1, 2].into(),
        isr_nodes: vec![0, 1, 2].into(),
        ..metadata::MetadataResponsePartition::default()
    };
    let topic = |number: u128| metadata::MetadataResponseTopic {
        name: Some(Cow::Owned(format!("some-topic-with-a-name-{number}"))),
        topic_id: Uuid::from_u128(0x1234_5678 << 64 | number),
        partitions: (0..3).map(partition).collect(),
        ..metadata::MetadataResponseTopic::default()
    };
    metadata::MetadataResponse {
        brokers: (0..3).map(broker).collect(),
        cluster_id: Some(Cow::Borrowed("bGVhcm4ta2Fma2EtMTIzNA")),
        controller_id: 1,
        topics: (1..=1000).map(topic).collect(),
        ..metadata::MetadataResponse::default()
    }
}

/// `message` as one piece of memory.
///
/// # Errors
/// When the version cannot carry the message.
pub fn bytes_of<M: Message + barnabas_protocol::Encode>(message: &M, version: i16) -> Result<Bytes, EncodeError> {
    let mut whole = Vec::new();
    for segment in message.encode(version)? {
        if let Segment::Bytes(bytes) = segment {
            whole.extend_from_slice(&bytes);
        }
    }
    Ok(Bytes::from(whole))
}
