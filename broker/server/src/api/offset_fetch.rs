//! OffsetFetch: committed offsets of one group, or from version 8 on of several. Topic ids become names on the way in and ids
//! again on the way out.

use std::collections::HashSet;

use barnabas_coordinator::group::Request;
use barnabas_metadata::Image;
use barnabas_protocol::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics, OffsetFetchResponse,
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use barnabas_protocol::{ErrorCode, IntoOwned};
use futures::future::join_all;

use super::{RequestContext, coordinated};

/// The first version with an error for the whole group; before, each partition carries it.
const GROUP_ERROR_VERSION: i16 = 2;
/// The first version that asks for several groups (KIP-709).
const GROUPS_VERSION: i16 = 8;
/// The first version that names topics by id (KIP-848).
const TOPIC_ID_VERSION: i16 = 10;

/// Asks the coordinators of all groups at once.
pub async fn handle(context: &RequestContext, request: OffsetFetchRequest<'_>) -> OffsetFetchResponse<'static> {
    let request = request.into_owned();
    let require_stable = request.require_stable;
    if context.api_version >= GROUPS_VERSION {
        // A group that is named twice is answered once: the reply to a short request must not grow without end.
        let mut seen = HashSet::new();
        let groups = request.groups.into_iter().filter(|group| seen.insert(group.group_id.to_string()));
        let groups: Vec<_> = groups.map(|group| fetch(context, group, require_stable)).collect();
        return OffsetFetchResponse { groups: join_all(groups).await, ..Default::default() };
    }
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
            ..Default::default()
        });
        topics.collect()
    });
    let group = OffsetFetchRequestGroup { group_id: request.group_id, topics, ..Default::default() };
    single(fetch(context, group, require_stable).await)
}

async fn fetch(
    context: &RequestContext,
    mut group: OffsetFetchRequestGroup<'static>,
    require_stable: bool,
) -> OffsetFetchResponseGroup<'static> {
    let image = context.node.image();
    let by_id = context.api_version >= TOPIC_ID_VERSION;
    let unknown = if by_id { name_topics(&image, &mut group) } else { Vec::new() };
    let asks_for_all = group.topics.is_none();
    let asked = group.clone();
    let partition = context.node.groups.partition_of(&group.group_id);
    let request = Request::OffsetFetch { group, require_stable };
    let answer: Result<OffsetFetchResponseGroup<'static>, _> =
        coordinated::ask_partition(context, partition, request).await;
    let mut response = answer.unwrap_or_else(|code| refused(context.api_version, asked, code));
    if response.error_code != ErrorCode::NONE {
        return response;
    }
    if by_id && asks_for_all {
        response.topics.retain_mut(|topic| {
            let found = image.topics.named(&topic.name);
            topic.topic_id = found.map(|found| found.id).unwrap_or_default();
            // Without an id this version cannot say which topic it was.
            found.is_some()
        });
    }
    response.topics.extend(unknown);
    response
}

/// Gives the topics their names and takes out those that do not exist: the answers to these.
fn name_topics(image: &Image, group: &mut OffsetFetchRequestGroup<'static>) -> Vec<OffsetFetchResponseTopics<'static>> {
    let mut unknown = Vec::new();
    group.topics.as_mut().into_iter().for_each(|topics| {
        topics.retain_mut(|topic| match image.topics.get(topic.topic_id) {
            Some(found) => {
                topic.name = found.name.to_string().into();
                true
            }
            None => {
                unknown.push(nothing(topic, ErrorCode::UNKNOWN_TOPIC_ID));
                false
            }
        });
    });
    unknown
}

fn nothing(topic: &OffsetFetchRequestTopics<'static>, error_code: ErrorCode) -> OffsetFetchResponseTopics<'static> {
    let partitions = topic.partition_indexes.iter().map(|index| OffsetFetchResponsePartitions {
        partition_index: *index,
        committed_offset: -1,
        metadata: Some("".into()),
        error_code,
        ..Default::default()
    });
    OffsetFetchResponseTopics {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
        ..Default::default()
    }
}

fn refused(
    version: i16,
    group: OffsetFetchRequestGroup<'static>,
    code: ErrorCode,
) -> OffsetFetchResponseGroup<'static> {
    // Clients before Kafka 3.9 do not try again on the one, but look for the coordinator on the other.
    let code = if code == ErrorCode::COORDINATOR_NOT_AVAILABLE { ErrorCode::NOT_COORDINATOR } else { code };
    let mut response = OffsetFetchResponseGroup { group_id: group.group_id, ..Default::default() };
    if version >= GROUP_ERROR_VERSION {
        response.error_code = code;
    } else {
        response.topics = group.topics.iter().flatten().map(|topic| nothing(topic, code)).collect();
    }
    response
}

/// The form before version 8.
fn single(group: OffsetFetchResponseGroup<'static>) -> OffsetFetchResponse<'static> {
    let partition = |found: OffsetFetchResponsePartitions<'static>| OffsetFetchResponsePartition {
        partition_index: found.partition_index,
        committed_offset: found.committed_offset,
        committed_leader_epoch: found.committed_leader_epoch,
        metadata: found.metadata,
        error_code: found.error_code,
        ..Default::default()
    };
    let topics = group.topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic.partitions.into_iter().map(partition).collect(),
        ..Default::default()
    });
    OffsetFetchResponse { topics: topics.collect(), error_code: group.error_code, ..Default::default() }
}
