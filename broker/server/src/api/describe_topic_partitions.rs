//! DescribeTopicPartitions: topics and their partitions in pages, in the order of names (KIP-966).

use std::collections::BTreeSet;
use std::sync::Arc;

use barnabas_metadata::{Image, Partition, Topic, topic_name};
use barnabas_protocol::messages::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};
use barnabas_protocol::{ErrorCode, Int32List};
use barnabas_types::{BrokerId, PartitionId};

use super::RequestContext;
use super::authorize::TOPIC_OPERATIONS;
use super::metadata::{offline_replicas, reached};

/// One page, from the cursor on, with at most as many partitions as client and broker allow.
pub async fn handle(
    context: &RequestContext,
    request: DescribeTopicPartitionsRequest<'_>,
) -> DescribeTopicPartitionsResponse<'static> {
    let image = context.node.image();
    let limit = context.node.config.network.max_request_partition_size_limit;
    let mut left = usize::try_from(request.response_partition_limit).unwrap_or(0).clamp(1, limit.max(1));
    let (from_topic, from_partition) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.to_string(), cursor.partition_index.max(0)),
        None => (String::new(), 0),
    };
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names(&image, &request, &from_topic) {
        if left == 0 {
            response.next_cursor = Some(cursor(&name, 0));
            break;
        }
        let Some(topic) = image.topics.named(&name) else {
            response.topics.push(unknown(&name));
            continue;
        };
        let first = if *name == *from_topic { from_partition } else { 0 };
        let partitions: Vec<_> = topic.partitions.range(first..).take(left).collect();
        left -= partitions.len();
        let next = partitions.last().map_or(first, |(id, _)| **id + 1);
        response.topics.push(describe(&image, &context.connection.listener, topic, &partitions));
        if topic.partitions.range(next..).next().is_some() {
            response.next_cursor = Some(cursor(&name, next));
            break;
        }
    }
    response
}

/// The topics asked for, or all, from the cursor's on.
fn names(image: &Image, request: &DescribeTopicPartitionsRequest<'_>, from: &str) -> BTreeSet<Arc<str>> {
    if request.topics.is_empty() {
        return image.topics.by_name_from(from).map(|topic| Arc::clone(&topic.name)).collect();
    }
    let asked = request.topics.iter().map(|topic| &*topic.name);
    asked.filter(|name| *name >= from).map(Arc::from).collect()
}

fn cursor(topic: &str, partition_index: PartitionId) -> Cursor<'static> {
    Cursor { topic_name: topic.to_owned().into(), partition_index, ..Default::default() }
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic<'static> {
    let error_code = match topic_name::validate(name) {
        Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        Err(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code,
        name: Some(name.to_owned().into()),
        is_internal: topic_name::is_internal(name),
        ..Default::default()
    }
}

fn describe(
    image: &Image,
    listener: &str,
    topic: &Topic,
    partitions: &[(&PartitionId, &Arc<Partition>)],
) -> DescribeTopicPartitionsResponseTopic<'static> {
    let ids = |brokers: &[BrokerId]| brokers.iter().map(|broker| broker.0).collect::<Int32List<'static>>();
    let partition = |id: PartitionId, partition: &Partition| {
        let has_leader = reached(image, listener, partition.leader).is_some();
        let unusual = partition.unusual();
        DescribeTopicPartitionsResponsePartition {
            error_code: if has_leader { ErrorCode::NONE } else { ErrorCode::LEADER_NOT_AVAILABLE },
            partition_index: id,
            leader_id: if has_leader { partition.leader.0 } else { BrokerId::NONE.0 },
            leader_epoch: partition.leader_epoch.0,
            replica_nodes: ids(&partition.replicas),
            isr_nodes: ids(&partition.isr),
            eligible_leader_replicas: Some(ids(&unusual.eligible_leaders)),
            last_known_elr: Some(ids(&unusual.last_known_eligible_leaders)),
            offline_replicas: offline_replicas(image, listener, partition),
            ..Default::default()
        }
    };
    DescribeTopicPartitionsResponseTopic {
        name: Some(topic.name.to_string().into()),
        topic_id: topic.id,
        is_internal: topic_name::is_internal(&topic.name),
        partitions: partitions.iter().map(|(id, described)| partition(**id, described)).collect(),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..Default::default()
    }
}
