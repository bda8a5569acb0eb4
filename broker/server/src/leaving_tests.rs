//! Brokers that stop, on three whole nodes in one process: what clients see of it.

use std::sync::Arc;

use barnabas_protocol::ErrorCode;
use barnabas_types::TopicIdPartition;
use tokio::sync::oneshot;

use crate::quorum_tests::{Nodes, create};
use crate::replication_tests::try_produce;
use crate::testing::Client;

/// Produces to the node at `leader` as long as it leads, one record after the other: how many were acknowledged, and how
/// it ended. `begun` is told after the third.
async fn produce_until_refused(
    mut client: Client,
    key: TopicIdPartition,
    begun: oneshot::Sender<()>,
) -> (i64, std::io::Result<ErrorCode>) {
    let mut acknowledged = 0;
    let mut begun = Some(begun);
    loop {
        if acknowledged == 3 {
            _ = begun.take().map(|begun| begun.send(()));
        }
        match try_produce(&mut client, key, &format!("record {acknowledged}")).await {
            Ok((ErrorCode::NONE, offset)) => {
                assert_eq!(offset, acknowledged);
                acknowledged += 1;
            }
            Ok((code, _)) => return (acknowledged, Ok(code)),
            Err(error) => return (acknowledged, Err(error)),
        }
    }
}

#[tokio::test]
async fn clients_are_served_until_others_lead_what_a_stopping_broker_led() {
    let mut nodes = Nodes::start().await;
    assert_eq!(create(&mut nodes.client(0).await, "moved", 3).await, ErrorCode::NONE);
    let topic_id = nodes.in_sync("moved", 3).await;
    let key = TopicIdPartition { topic_id, partition: 0 };
    let leader = nodes.leader(0, key).unwrap();
    let (begun, begins) = oneshot::channel();
    let producing = tokio::spawn(produce_until_refused(nodes.client(leader).await, key, begun));
    begins.await.unwrap();
    let stopping = nodes.running[leader].take().unwrap();
    let node = Arc::clone(&stopping.node);
    stopping.stop().await.unwrap();
    let (acknowledged, end) = producing.await.unwrap();
    // It is told to look for the new leader. A connection that ends would leave it in doubt of what it has sent.
    assert_eq!(end.unwrap(), ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let image = node.image();
    assert!(
        image.brokers.get(node.broker_id).unwrap().in_controlled_shutdown,
        "it has asked for a controlled shutdown"
    );
    let next = nodes.leader((leader + 1) % 3, key).expect("another leader");
    assert_ne!(next, leader);
    let kept = nodes.offsets(next, key).await;
    assert!(kept.len() as i64 >= acknowledged && acknowledged >= 3, "{} of {acknowledged} are kept", kept.len());
    nodes.stop().await;
}
