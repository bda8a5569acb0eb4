//! OffsetCommit: a group's offsets. Partitions that do not exist are answered here, the others by the group's coordinator.

use std::collections::HashMap;

use barnabas_coordinator::group::Request;
use barnabas_metadata::Image;
use barnabas_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestTopic, OffsetCommitResponse, OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
};
use barnabas_protocol::{ErrorCode, IntoOwned};

use super::{Reply, RequestContext, coordinated};

/// The first version that names topics by id (KIP-848).
const TOPIC_ID_VERSION: i16 = 10;

/// Answers what cannot be committed and hands the rest to the group's coordinator.
pub async fn handle(
    context: &RequestContext,
    request: OffsetCommitRequest<'_>,
) -> Reply<OffsetCommitResponse<'static>> {
    let mut request = request.into_owned();
    let image = context.node.image();
    let mut refused = Vec::new();
    let mut accepted = Vec::new();
    for topic in std::mem::take(&mut request.topics) {
        split(&image, context.api_version >= TOPIC_ID_VERSION, topic, &mut accepted, &mut refused);
    }
    if accepted.is_empty() {
        return Reply::Now(OffsetCommitResponse { topics: refused, ..Default::default() });
    }
    request.topics = accepted;
    let group_id = request.group_id.clone();
    let asked: Vec<_> = request.topics.iter().map(|topic| all(topic, ErrorCode::NONE)).collect();
    let request = Request::OffsetCommit { context: context.caller(), request };
    coordinated::ask(context, &group_id, request, move |answer| {
        let mut response: OffsetCommitResponse<'static> = answer.unwrap_or_else(|code| {
            let mut topics = asked;
            for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
                partition.error_code = code;
            }
            OffsetCommitResponse { topics, ..Default::default() }
        });
        merge(&mut response.topics, refused);
        response
    })
    .await
}

/// Sorts the partitions of `topic` into those that exist and those that are refused.
fn split(
    image: &Image,
    by_id: bool,
    mut topic: OffsetCommitRequestTopic<'static>,
    accepted: &mut Vec<OffsetCommitRequestTopic<'static>>,
    refused: &mut Vec<OffsetCommitResponseTopic<'static>>,
) {
    let found = if by_id { image.topics.get(topic.topic_id) } else { image.topics.named(&topic.name) };
    let Some(found) = found else {
        let unknown = if by_id { ErrorCode::UNKNOWN_TOPIC_ID } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION };
        refused.push(all(&topic, unknown));
        return;
    };
    topic.name = found.name.to_string().into();
    topic.topic_id = found.id;
    let exists = |index: i32| found.partitions.contains_key(&index);
    let (known, unknown) = std::mem::take(&mut topic.partitions)
        .into_iter()
        .partition::<Vec<_>, _>(|partition| exists(partition.partition_index));
    if !unknown.is_empty() {
        let missing = OffsetCommitRequestTopic { partitions: unknown, ..topic.clone() };
        refused.push(all(&missing, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    }
    if !known.is_empty() {
        accepted.push(OffsetCommitRequestTopic { partitions: known, ..topic });
    }
}

fn all(topic: &OffsetCommitRequestTopic<'static>, error_code: ErrorCode) -> OffsetCommitResponseTopic<'static> {
    let partitions = topic.partitions.iter().map(|partition| OffsetCommitResponsePartition {
        partition_index: partition.partition_index,
        error_code,
        ..Default::default()
    });
    OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
        ..Default::default()
    }
}

/// Adds `more`, a topic once even if it is in both.
fn merge(topics: &mut Vec<OffsetCommitResponseTopic<'static>>, more: Vec<OffsetCommitResponseTopic<'static>>) {
    let known = topics.iter().enumerate().map(|(index, topic)| ((topic.name.to_string(), topic.topic_id), index));
    let known: HashMap<_, _> = known.collect();
    for topic in more {
        match known.get(&(topic.name.to_string(), topic.topic_id)).and_then(|index| topics.get_mut(*index)) {
            Some(known) => known.partitions.extend(topic.partitions),
            None => topics.push(topic),
        }
    }
}
