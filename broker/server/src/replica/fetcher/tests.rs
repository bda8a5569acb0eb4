//! What a follower asks its leader for, as it is configured.

use barnabas_replica::fetcher::{FetchPartition as WantedPartition, FetchRequest as WantedRequest};
use barnabas_types::Uuid;

use super::*;
use crate::testing::Broker;

#[tokio::test]
async fn a_follower_fetches_as_its_configuration_says() {
    let broker = Broker::start_with(
        "replica.fetch.max.bytes=2001\nreplica.fetch.min.bytes=7\nreplica.fetch.response.max.bytes=3001\nreplica.fetch.wait.max.ms=123\n",
    )
    .await;
    let node = &broker.running.node;
    let partition = WantedPartition {
        partition: TopicIdPartition { topic_id: Uuid::from_u128(7), partition: 3 },
        leader_epoch: LeaderEpoch(4),
        offset: Offset(5),
        last_epoch: None,
        log_start: Offset(1),
    };
    let mut wanted = WantedRequest {
        session_id: 0,
        session_epoch: 0,
        partitions: vec![partition],
        forgotten: Vec::new(),
        may_wait_ms: u64::MAX,
    };
    let asked = request(node, &wanted);
    assert_eq!((asked.max_wait_ms, asked.min_bytes, asked.max_bytes), (123, 7, 3001));
    let partition = &asked.topics[0].partitions[0];
    assert_eq!((partition.partition_max_bytes, partition.fetch_offset, partition.last_fetched_epoch), (2001, 5, -1));
    assert_eq!(
        (asked.replica_state.replica_id, asked.replica_state.replica_epoch),
        (1, node.replicas.surroundings().own_epoch())
    );
    wanted.may_wait_ms = 40;
    assert_eq!(request(node, &wanted).max_wait_ms, 40, "partitions wait to be fetched again");
}
