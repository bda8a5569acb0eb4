//! FindCoordinator: which broker leads the partition that coordinates a group. The first one who asks makes `__consumer_offsets`.

use std::collections::BTreeSet;

use barnabas_metadata::{BrokerEndpoint, Image};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::find_coordinator::{Coordinator, FindCoordinatorRequest, FindCoordinatorResponse};
use barnabas_types::BrokerId;

use super::RequestContext;
use crate::coordinator::GROUP_METADATA_TOPIC;

/// The first version that asks for several keys (KIP-699).
const KEYS_VERSION: i16 = 4;
/// The key names a group. The others name a transactional id and a partition of a share group.
const GROUP_KEY_TYPE: i8 = 0;

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
    let image = context.node.image();
    let answer = |key: &str| match find(context, &image, request.key_type, key) {
        Ok((broker, endpoint)) => Coordinator {
            key: key.to_owned().into(),
            node_id: broker.0,
            host: endpoint.host.to_string().into(),
            port: i32::from(endpoint.port),
            ..Default::default()
        },
        Err(NotFound { code, message }) => Coordinator {
            key: key.to_owned().into(),
            node_id: -1,
            port: -1,
            error_code: code,
            error_message: Some(message.into()),
            ..Default::default()
        },
    };
    if context.api_version >= KEYS_VERSION {
        let coordinators = request.coordinator_keys.iter().map(|key| answer(key)).collect();
        return FindCoordinatorResponse { coordinators, ..Default::default() };
    }
    let Coordinator { node_id, host, port, error_code, error_message, .. } = answer(&request.key);
    FindCoordinatorResponse { node_id, host, port, error_code, error_message, ..Default::default() }
}

fn find<'a>(
    context: &RequestContext,
    image: &'a Image,
    key_type: i8,
    key: &str,
) -> Result<(BrokerId, &'a BrokerEndpoint), NotFound> {
    if key_type != GROUP_KEY_TYPE {
        let message = "this broker coordinates groups (key type 0), no transactions and no share groups";
        return Err(NotFound { code: ErrorCode::INVALID_REQUEST, message });
    }
    let unavailable = |message| NotFound { code: ErrorCode::COORDINATOR_NOT_AVAILABLE, message };
    let topic = image.topics.named(GROUP_METADATA_TOPIC);
    let topic = topic.ok_or_else(|| unavailable("__consumer_offsets does not exist yet"))?;
    let partitions = i32::try_from(topic.partitions.len()).unwrap_or(0);
    let leader = barnabas_coordinator::partition_for(key, partitions)
        .and_then(|index| topic.partitions.get(&index))
        .map(|partition| partition.leader)
        .ok_or_else(|| unavailable("the group's partition of __consumer_offsets does not exist yet"))?;
    let broker = image.brokers.get(leader).filter(|broker| broker.is_active());
    broker
        .and_then(|broker| broker.endpoints.iter().find(|endpoint| *endpoint.name == *context.connection.listener))
        .map(|endpoint| (leader, endpoint))
        .ok_or_else(|| unavailable("the group's partition of __consumer_offsets has no leader on this listener"))
}
