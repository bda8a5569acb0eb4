//! Bytes that Apache Kafka 4.3.1's own classes have read and written back unchanged: every message and record in its lowest and its highest version.
//! They keep the wire format where it is.

use crate::messages::tests::contiguous;
use crate::messages::*;
use crate::records::control::*;
use crate::records::coordinator::*;
use crate::records::metadata::*;
use crate::wire::Reader;
use crate::{ApiKey, Message, VersionRange};

/// Message, version and bytes in hexadecimal, a row each under a heading.
const VERIFIED: &str = include_str!("verified.tsv");

fn from_hexadecimal(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
}

/// The highest version that Kafka 4.3.1 lists, which for some APIs is not the highest known here.
fn highest_of_kafka(name: &str, known: VersionRange) -> i16 {
    let api = name.strip_suffix("Request").or_else(|| name.strip_suffix("Response"));
    let key = api.and_then(|api| ApiKey::all().find(|key| key.name() == api));
    key.map_or(known.max, |key| key.answered_versions().max)
}

/// Reads the rows of each `$kind` and writes them back; returns how many rows there were.
macro_rules! check {
    ($($kind:ident)*) => {{
        let mut checked = 0;
        $(
            let rows = VERIFIED.lines().filter_map(|row| row.strip_prefix(concat!(stringify!($kind), "\t")));
            let rows: Vec<_> = rows.map(|row| row.split_once('\t').unwrap()).collect();
            let versions: Vec<i16> = rows.iter().map(|(version, _)| version.parse().unwrap()).collect();
            let highest = highest_of_kafka($kind::NAME, $kind::VERSIONS);
            assert!(versions.contains(&$kind::VERSIONS.min), stringify!($kind));
            assert!(versions.iter().any(|&version| version >= highest), stringify!($kind));
            for (version, (_, text)) in versions.into_iter().zip(&rows) {
                let bytes = from_hexadecimal(text);
                let mut reader = Reader::new(&bytes);
                let message = $kind::decode(&mut reader, version).unwrap();
                reader.finish().unwrap();
                assert_eq!(contiguous(message.encode(version).unwrap()), bytes, "{} version {version}", $kind::NAME);
                checked += 1;
            }
        )*
        checked
    }};
}

#[test]
fn what_kafka_reads_and_writes_is_read_and_written_the_same() {
    let checked = check! {
        ApiVersionsRequest ApiVersionsResponse MetadataRequest MetadataResponse ProduceRequest ProduceResponse
        FetchRequest FetchResponse ListOffsetsRequest ListOffsetsResponse CreateTopicsRequest CreateTopicsResponse
        DeleteTopicsRequest DeleteTopicsResponse CreatePartitionsRequest CreatePartitionsResponse
        DeleteRecordsRequest DeleteRecordsResponse DescribeConfigsRequest DescribeConfigsResponse
        IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse AlterConfigsRequest AlterConfigsResponse
        DescribeClusterRequest DescribeClusterResponse DescribeTopicPartitionsRequest
        DescribeTopicPartitionsResponse DescribeLogDirsRequest DescribeLogDirsResponse InitProducerIdRequest
        InitProducerIdResponse OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse FindCoordinatorRequest
        FindCoordinatorResponse JoinGroupRequest JoinGroupResponse SyncGroupRequest SyncGroupResponse
        HeartbeatRequest HeartbeatResponse LeaveGroupRequest LeaveGroupResponse OffsetCommitRequest
        OffsetCommitResponse OffsetFetchRequest OffsetFetchResponse ListGroupsRequest ListGroupsResponse
        DescribeGroupsRequest DescribeGroupsResponse DeleteGroupsRequest DeleteGroupsResponse OffsetDeleteRequest
        OffsetDeleteResponse RegisterBrokerRecord UnregisterBrokerRecord TopicRecord PartitionRecord ConfigRecord
        PartitionChangeRecord RemoveTopicRecord FeatureLevelRecord ProducerIdsRecord BrokerRegistrationChangeRecord
        NoOpRecord BeginTransactionRecord EndTransactionRecord AbortTransactionRecord RegisterControllerRecord
        LeaderChangeMessage SnapshotHeaderRecord SnapshotFooterRecord KRaftVersionRecord VotersRecord
        OffsetCommitKey OffsetCommitValue LegacyOffsetCommitKey LegacyOffsetCommitValue GroupMetadataKey
        GroupMetadataValue
    };
    assert_eq!(checked, VERIFIED.lines().count() - 1);
}
