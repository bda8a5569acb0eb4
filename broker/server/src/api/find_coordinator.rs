//! FindCoordinator: which broker leads the partition that coordinates a group. The first one who asks makes `__consumer_offsets`.

use std::collections::BTreeSet;
use std::time::Duration;

use barnabas_metadata::{BrokerEndpoint, Image};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use barnabas_types::BrokerId;
use futures::future::join_all;

use super::RequestContext;
use crate::coordinator::GROUP_METADATA_TOPIC;

/// The first version that asks for several keys (KIP-699).
const KEYS_VERSION: i16 = 4;
/// The key names a group. The others name a transactional id and a partition of a share group.
const GROUP_KEY_TYPE: i8 = 0;

/// How long a client waits for a shard that is about to answer here.
const SHARD_WAIT: Duration = Duration::from_secs(5);

/// A coordinator.
struct Found {
    partition: i32,
    leader: BrokerId,
    endpoint: BrokerEndpoint,
}

/// Why a coordinator is not found.
struct NotFound {
    code: ErrorCode,
    message: &'static str,
}

/// Answers for every key.
pub async fn handle(context: &RequestContext, request: FindCoordinatorRequest<'_>) -> FindCoordinatorResponse<'static> {
    if request.key_type == GROUP_KEY_TYPE && context.node.image().topics.named(GROUP_METADATA_TOPIC).is_none() {
        context.node.auto_create_topics(BTreeSet::from([GROUP_METADATA_TOPIC.to_owned()])).await;
    }
    if context.api_version >= KEYS_VERSION {
        let keys = request.coordinator_keys.iter().map(|key| answer(context, request.key_type, key));
        let coordinators = join_all(keys).await;
        return FindCoordinatorResponse { coordinators, ..Default::default() };
    }
    let Coordinator { node_id, host, port, error_code, error_message, .. } =
        answer(context, request.key_type, &request.key).await;
    FindCoordinatorResponse { node_id, host, port, error_code, error_message, ..Default::default() }
}

async fn answer(context: &RequestContext, key_type: i8, key: &str) -> Coordinator<'static> {
    match find(context, &context.node.image(), key_type, key) {
        Ok(found) => {
            if found.leader == context.node.broker_id {
                let deadline = context.node.runtime.deadline(SHARD_WAIT);
                context.node.groups.active(found.partition, deadline).await;
            }
            Coordinator {
                key: key.to_owned().into(),
                node_id: found.leader.0,
                host: found.endpoint.host.to_string().into(),
                port: i32::from(found.endpoint.port),
                ..Default::default()
            }
        }
        Err(NotFound { code, message }) => Coordinator {
            key: key.to_owned().into(),
            node_id: -1,
            port: -1,
            error_code: code,
            error_message: Some(message.into()),
            ..Default::default()
        },
    }
}

fn find(context: &RequestContext, image: &Image, key_type: i8, key: &str) -> Result<Found, NotFound> {
    if key_type != GROUP_KEY_TYPE {
        let message = "this broker coordinates groups (key type 0), no transactions and no share groups";
        return Err(NotFound { code: ErrorCode::INVALID_REQUEST, message });
    }
    let unavailable = |message| NotFound { code: ErrorCode::COORDINATOR_NOT_AVAILABLE, message };
    let topic = image.topics.named(GROUP_METADATA_TOPIC);
    let topic = topic.ok_or_else(|| unavailable("__consumer_offsets does not exist yet"))?;
    let partitions = i32::try_from(topic.partitions.len()).unwrap_or(0);
    let (partition, leader) = barnabas_coordinator::partition_for(key, partitions)
        .and_then(|index| Some((index, topic.partitions.get(&index)?.leader)))
        .ok_or_else(|| unavailable("the group's partition of __consumer_offsets does not exist yet"))?;
    if context.node.replicas.surroundings().leaves(leader) {
        return Err(unavailable("the group's coordinator has ended, and another is not elected yet"));
    }
    let broker = image.brokers.get(leader).filter(|broker| broker.is_active());
    let endpoint = broker
        .and_then(|broker| broker.endpoints.iter().find(|endpoint| *endpoint.name == *context.connection.listener))
        .ok_or_else(|| unavailable("the group's partition of __consumer_offsets has no leader on this listener"))?;
    Ok(Found { partition, leader, endpoint: endpoint.clone() })
}
