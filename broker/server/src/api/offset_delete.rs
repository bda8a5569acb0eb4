//! OffsetDelete: takes back a group's offsets. Partitions that do not exist are answered here, the others by the group's coordinator.

use std::collections::HashMap;

use barnabas_coordinator::group::Request;
use barnabas_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic, OffsetDeleteResponse,
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use barnabas_protocol::{ErrorCode, IntoOwned};

use super::{Reply, RequestContext, coordinated};

/// Answers what does not exist and hands the rest to the group's coordinator.
pub async fn handle(
    context: &RequestContext,
    request: OffsetDeleteRequest<'_>,
) -> Reply<OffsetDeleteResponse<'static>> {
    let mut request = request.into_owned();
    let image = context.node.image();
    let mut unknown = Vec::new();
    for topic in &mut request.topics {
        let found = image.topics.named(&topic.name);
        let exists = |partition: &OffsetDeleteRequestPartition| {
            found.is_some_and(|found| found.partitions.contains_key(&partition.partition_index))
        };
        let (known, missing) = std::mem::take(&mut topic.partitions).into_iter().partition::<Vec<_>, _>(exists);
        topic.partitions = known;
        if !missing.is_empty() {
            unknown.push(refused(topic, &missing));
        }
    }
    request.topics.retain(|topic| !topic.partitions.is_empty());
    let group_id = request.group_id.clone();
    coordinated::ask_named(context, &group_id, Request::OffsetDelete(request), move |answer| match answer {
        Err(error_code) => OffsetDeleteResponse { error_code, ..Default::default() },
        Ok(response) => with_unknown(response, unknown),
    })
    .await
}

fn refused(
    topic: &OffsetDeleteRequestTopic<'static>,
    missing: &[OffsetDeleteRequestPartition],
) -> OffsetDeleteResponseTopic<'static> {
    let partitions = missing.iter().map(|partition| OffsetDeleteResponsePartition {
        partition_index: partition.partition_index,
        error_code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    });
    OffsetDeleteResponseTopic { name: topic.name.clone(), partitions: partitions.collect() }
}

/// An error of the whole request stands alone, as in Kafka.
fn with_unknown(
    mut response: OffsetDeleteResponse<'static>,
    unknown: Vec<OffsetDeleteResponseTopic<'static>>,
) -> OffsetDeleteResponse<'static> {
    if response.error_code != ErrorCode::NONE {
        return response;
    }
    let known = response.topics.iter().enumerate().map(|(index, topic)| (topic.name.to_string(), index));
    let known: HashMap<_, _> = known.collect();
    for topic in unknown {
        match known.get(&*topic.name).and_then(|index| response.topics.get_mut(*index)) {
            Some(known) => known.partitions.extend(topic.partitions),
            None => response.topics.push(topic),
        }
    }
    response
}
