//! DescribeQuorum: the quorum of the metadata log as its leader sees it (KIP-595, KIP-836, KIP-853).

use std::time::Duration;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, Listener, Node, PartitionDataResult, ReplicaState, TopicDataResult,
};
use barnabas_raft::{Endpoint, QuorumDescription, ReplicaDescription};
use barnabas_types::{BrokerId, Uuid};

use super::RequestContext;

/// The request carries no time limit of its own; this is the clients' usual one.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The one partition that a quorum is of.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// From it on replicas are told with their directories, and nodes with their listeners.
const DIRECTORY_VERSION: i16 = 2;

/// Describes the quorum, if that is what is asked for and this node leads it.
pub async fn handle(context: &RequestContext, request: DescribeQuorumRequest<'_>) -> DescribeQuorumResponse<'static> {
    if !asks_for_metadata(&request) {
        return unknown(&request, context.api_version);
    }
    let deadline = context.node.runtime.deadline(TIMEOUT);
    match context.node.controller.describe_quorum(deadline).await {
        Ok(Some(quorum)) => described(&quorum, context.api_version),
        Ok(None) => failed(ErrorCode::NOT_LEADER_OR_FOLLOWER, context.api_version),
        Err(error) => failed(error.code(), context.api_version),
    }
}

fn asks_for_metadata(request: &DescribeQuorumRequest<'_>) -> bool {
    match request.topics.as_slice() {
        [topic] => {
            topic.topic_name == METADATA_TOPIC && topic.partitions.iter().map(|asked| asked.partition_index).eq([0])
        }
        _ => false,
    }
}

/// The answer for partitions that have no quorum.
fn unknown(request: &DescribeQuorumRequest<'_>, version: i16) -> DescribeQuorumResponse<'static> {
    let error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let partition = |partition_index| PartitionDataResult {
        partition_index,
        error_code,
        error_message: message(error_code, version),
        ..PartitionDataResult::default()
    };
    let topic = |topic_name: String, partitions| TopicDataResult {
        topic_name: topic_name.into(),
        partitions,
        ..TopicDataResult::default()
    };
    let topics = request.topics.iter().map(|asked| {
        let partitions = asked.partitions.iter().map(|asked| partition(asked.partition_index));
        topic(asked.topic_name.to_string(), partitions.collect())
    });
    DescribeQuorumResponse { topics: topics.collect(), ..DescribeQuorumResponse::default() }
}

fn failed(error_code: ErrorCode, version: i16) -> DescribeQuorumResponse<'static> {
    DescribeQuorumResponse {
        error_code,
        error_message: message(error_code, version),
        ..DescribeQuorumResponse::default()
    }
}

fn message(error_code: ErrorCode, version: i16) -> Option<std::borrow::Cow<'static, str>> {
    (version >= DIRECTORY_VERSION).then(|| error_code.to_string().into())
}

fn described(quorum: &QuorumDescription, version: i16) -> DescribeQuorumResponse<'static> {
    let states = |replicas: &[ReplicaDescription]| replicas.iter().map(|replica| state(replica, version)).collect();
    let partition = PartitionDataResult {
        partition_index: 0,
        leader_id: quorum.leader.0,
        leader_epoch: quorum.epoch.0,
        high_watermark: quorum.high_watermark.map_or(-1, |offset| offset.0),
        current_voters: states(&quorum.voters),
        observers: states(&quorum.observers),
        ..PartitionDataResult::default()
    };
    let topic =
        TopicDataResult { topic_name: METADATA_TOPIC.into(), partitions: vec![partition], ..Default::default() };
    let nodes = quorum.nodes.iter().filter(|_| version >= DIRECTORY_VERSION);
    DescribeQuorumResponse {
        topics: vec![topic],
        nodes: nodes.map(|(id, endpoints)| node(*id, endpoints)).collect(),
        ..DescribeQuorumResponse::default()
    }
}

fn state(replica: &ReplicaDescription, version: i16) -> ReplicaState<'static> {
    ReplicaState {
        replica_id: replica.key.id.0,
        replica_directory_id: if version >= DIRECTORY_VERSION { replica.key.directory_id } else { Uuid::ZERO },
        log_end_offset: replica.log_end.map_or(-1, |offset| offset.0),
        last_fetch_timestamp: replica.last_fetch.map_or(-1, |time| time.0),
        last_caught_up_timestamp: replica.last_caught_up.map_or(-1, |time| time.0),
        ..ReplicaState::default()
    }
}

fn node(id: BrokerId, endpoints: &[Endpoint]) -> Node<'static> {
    let listener = |endpoint: &Endpoint| Listener {
        name: endpoint.name.to_string().into(),
        host: endpoint.host.to_string().into(),
        port: endpoint.port,
        ..Listener::default()
    };
    Node { node_id: id.0, listeners: endpoints.iter().map(listener).collect(), ..Node::default() }
}

#[cfg(test)]
mod tests {
    use barnabas_protocol::messages::describe_quorum::{PartitionData, TopicData};

    use super::*;
    use crate::testing::Broker;

    fn asking(topic: &'static str, partitions: &[i32]) -> DescribeQuorumRequest<'static> {
        let partition = |&partition_index: &i32| PartitionData { partition_index, ..PartitionData::default() };
        let topic = TopicData {
            topic_name: topic.into(),
            partitions: partitions.iter().map(partition).collect(),
            ..TopicData::default()
        };
        DescribeQuorumRequest { topics: vec![topic], ..DescribeQuorumRequest::default() }
    }

    #[tokio::test]
    async fn the_leader_tells_of_itself_in_every_version() {
        let broker = Broker::start().await;
        let mut client = broker.connect().await;
        let directory = broker.running.node.directories.all()[0].id;
        for version in 0..=2 {
            let response = client.call(version, &asking(METADATA_TOPIC, &[0])).await;
            assert_eq!(response.error_code, ErrorCode::NONE);
            let partition = &response.topics[0].partitions[0];
            assert_eq!((partition.error_code, partition.leader_id), (ErrorCode::NONE, 1));
            assert!(partition.leader_epoch >= 1 && partition.high_watermark > 0);
            let voter = &partition.current_voters[0];
            assert_eq!((partition.current_voters.len(), partition.observers.len(), voter.replica_id), (1, 0, 1));
            assert!(voter.log_end_offset >= partition.high_watermark);
            assert_eq!(voter.last_caught_up_timestamp > 0, version >= 1);
            assert_eq!(voter.replica_directory_id == directory, version >= 2);
            assert_eq!(response.nodes.len(), usize::from(version >= 2));
        }
        broker.running.stop().await.unwrap();
    }

    #[tokio::test]
    async fn other_partitions_have_no_quorum() {
        let broker = Broker::start().await;
        let mut client = broker.connect().await;
        for (topic, partitions) in [("other", &[0][..]), (METADATA_TOPIC, &[1]), (METADATA_TOPIC, &[0, 1])] {
            let response = client.call(2, &asking(topic, partitions)).await;
            let found = &response.topics[0].partitions;
            assert_eq!(found.len(), partitions.len());
            assert!(found.iter().all(|found| found.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        }
        broker.running.stop().await.unwrap();
    }
}
