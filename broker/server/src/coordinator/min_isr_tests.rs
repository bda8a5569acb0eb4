//! A group's coordinator on three whole nodes while too few replicas of `__consumer_offsets` are in sync.

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use barnabas_protocol::messages::offset_fetch::OffsetFetchRequestGroup;
use barnabas_protocol::messages::{FindCoordinatorRequest, HeartbeatRequest, OffsetCommitRequest, OffsetFetchRequest};
use barnabas_types::TopicIdPartition;

use super::GROUP_METADATA_TOPIC;
use crate::quorum_tests::{Nodes, create};
use crate::testing::Client;

impl Client {
    async fn commit_simply(&mut self, offset: i64) -> ErrorCode {
        let partitions = vec![OffsetCommitRequestPartition { committed_offset: offset, ..Default::default() }];
        let topics = vec![OffsetCommitRequestTopic { name: "t".into(), partitions, ..Default::default() }];
        let request = OffsetCommitRequest { group_id: "g".into(), topics, ..Default::default() };
        self.call(9, &request).await.topics[0].partitions[0].error_code
    }

    async fn fetch_simply(&mut self) -> Result<i64, ErrorCode> {
        let asked = OffsetFetchRequestGroup { group_id: "g".into(), topics: None, ..Default::default() };
        let request = OffsetFetchRequest { groups: vec![asked], ..Default::default() };
        let group = self.call(9, &request).await.groups.remove(0);
        match group.error_code {
            ErrorCode::NONE => Ok(group.topics[0].partitions[0].committed_offset),
            code => Err(code),
        }
    }
}

async fn await_coordinator(nodes: &Nodes) {
    let mut client = nodes.client(0).await;
    let request = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() };
    while client.call(6, &request).await.coordinators[0].error_code != ErrorCode::NONE {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn groups_are_served_while_too_few_replicas_of_their_offsets_are_in_sync() {
    let properties = "min.insync.replicas=2\noffsets.topic.num.partitions=1\noffsets.topic.replication.factor=2\n";
    let mut nodes = Nodes::start_with(properties).await;
    assert_eq!(create(&mut nodes.client(0).await, "t", 1).await, ErrorCode::NONE);
    await_coordinator(&nodes).await;
    let topic_id = nodes.in_sync(GROUP_METADATA_TOPIC, 2).await;
    let key = TopicIdPartition { topic_id, partition: 0 };
    let leader = nodes.leader(0, key).unwrap();
    let replicas = nodes.node(0).node.image().topics.partition(key).unwrap().replicas.clone();
    let follower = replicas.iter().map(|id| usize::try_from(id.0 - 1).unwrap()).find(|index| *index != leader).unwrap();
    let mut client = nodes.client(leader).await;
    while client.commit_simply(5).await != ErrorCode::NONE {
        tokio::task::yield_now().await;
    }
    nodes.running[follower].take().unwrap().stop().await.unwrap();
    nodes.in_sync(GROUP_METADATA_TOPIC, 1).await;
    for _ in 0..3 {
        let heartbeat = HeartbeatRequest { group_id: "g".into(), member_id: "nobody".into(), ..Default::default() };
        assert_eq!(client.call(4, &heartbeat).await.error_code, ErrorCode::UNKNOWN_MEMBER_ID);
        assert_eq!(client.fetch_simply().await, Ok(5));
        assert_eq!(client.commit_simply(6).await, ErrorCode::COORDINATOR_NOT_AVAILABLE);
    }
    nodes.running[follower] = Some(nodes.start_one(follower).await);
    nodes.in_sync(GROUP_METADATA_TOPIC, 2).await;
    assert_eq!(client.fetch_simply().await, Ok(5));
    assert_eq!(client.commit_simply(7).await, ErrorCode::NONE);
    assert_eq!(client.fetch_simply().await, Ok(7));
    nodes.stop().await;
}
