//! Produce: splits the request into appends, folds their results, and waits for replication where acks=all asks for it.
//! Knows no file and no log; what is appended is checked by `records`, who may append by the partition.

use std::time::Duration;

use barnabas_protocol::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    TopicProduceData, TopicProduceResponse,
};
use barnabas_protocol::{ErrorCode, Records};
use barnabas_types::{Offset, TopicIdPartition};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Reply, RequestContext};
use crate::replica::{AppendError, Appended, Replicated};

/// The client wants no reply.
const ACKS_NONE: i16 = 0;
/// The leader's write is enough.
const ACKS_LEADER: i16 = 1;
/// Every in-sync replica must have it.
const ACKS_ALL: i16 = -1;

/// An append that waits for its replicas, and where its result belongs.
struct Pending {
    topic: usize,
    partition: usize,
    replicated: BoxFuture<'static, Result<(), ErrorCode>>,
}

/// Appends what the request carries. Replies at once for acks 0 and 1, and later for acks=all.
pub async fn handle(context: &RequestContext, request: ProduceRequest<'_>) -> Reply<ProduceResponse<'static>> {
    let mut pending = Vec::new();
    let mut responses = Vec::new();
    for topic in &request.topic_data {
        responses.push(append_topic(context, &request, topic, responses.len(), &mut pending));
    }
    let response = ProduceResponse { responses, ..Default::default() };
    if request.acks == ACKS_NONE {
        return match first_error(&response) {
            Some(error) => Reply::Close(error.name()),
            None => Reply::Nothing,
        };
    }
    if pending.is_empty() {
        return Reply::Now(response);
    }
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = context.node.runtime.deadline(timeout);
    Reply::Later(replicated(response, pending, deadline).boxed())
}

fn append_topic(
    context: &RequestContext,
    request: &ProduceRequest<'_>,
    topic: &TopicProduceData<'_>,
    topic_index: usize,
    pending: &mut Vec<Pending>,
) -> TopicProduceResponse<'static> {
    let image = context.node.image();
    let found = match context.api_version {
        13.. => image.topics.get(topic.topic_id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID),
        _ => image.topics.named(&topic.name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    };
    let mut response = TopicProduceResponse {
        name: topic.name.to_string().into(),
        topic_id: topic.topic_id,
        ..Default::default()
    };
    for partition in &topic.partition_data {
        let appended = check(request).and_then(|()| {
            let topic = found.map_err(Rejected::from)?;
            let key = TopicIdPartition { topic_id: topic.id, partition: partition.index };
            let hosted = context.node.replicas.get(key).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
            let appended = hosted.append(bytes(&partition.records), request.acks == ACKS_ALL)?;
            Ok((hosted, appended))
        });
        let result = match appended {
            Ok((hosted, appended)) => {
                if request.acks == ACKS_ALL && !appended.is_replicated() {
                    let replicated = hosted.replicated(appended.end_offset()).boxed();
                    pending.push(Pending { topic: topic_index, partition: response.partition_responses.len(), replicated });
                }
                accepted(partition.index, &appended)
            }
            Err(rejected) => rejected.response(context, partition.index),
        };
        response.partition_responses.push(result);
    }
    response
}
