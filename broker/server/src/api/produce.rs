//! Produce: splits the request into appends, folds their results, and waits for replication where acks=all asks for it.
//! Knows no file and no log; what is appended is checked by `records`, who may append by the partition.

use std::sync::Arc;
use std::time::Duration;

use barnabas_log::AppendError as LogError;
use barnabas_log::producer::SequenceError;
use barnabas_protocol::messages::produce::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceData, TopicProduceResponse,
};
use barnabas_protocol::{ErrorCode, Records};
use barnabas_records::{BatchError, InvalidBatch};
use barnabas_types::{LeaderEpoch, Offset, TopicIdPartition};
use futures::FutureExt;
use tokio::time::Instant;

use super::current_leader::{CurrentLeaders, LeaderNode, moved_or};
use super::{Reply, RequestContext};
use crate::bug::Bug;
use crate::connection::Connection;
use crate::node::Node;
use crate::replica::{Acks, AppendError, Appended, Partition};

/// The client wants no reply.
const ACKS_NONE: i16 = 0;
/// The leader's write is enough.
const ACKS_LEADER: i16 = 1;
/// Every in-sync replica must have it.
const ACKS_ALL: i16 = -1;
/// From it on a client that asked the wrong broker is told the right one (KIP-951).
const LEADERS_VERSION: i16 = 10;
/// From it on topics are named by their ids.
const TOPIC_IDS_VERSION: i16 = 13;

/// An append that waits for its replicas, and where its result belongs.
struct Pending {
    topic: usize,
    partition: usize,
    hosted: Arc<Partition>,
    end: Offset,
    since: LeaderEpoch,
}

/// Appends what the request carries. Replies at once for acks 0 and 1, and later for acks=all.
pub async fn handle(context: &RequestContext, request: ProduceRequest<'_>) -> Reply<ProduceResponse<'static>> {
    let mut pending = Vec::new();
    let mut responses = Vec::new();
    for topic in &request.topic_data {
        responses.push(append_topic(context, &request, topic, responses.len(), &mut pending));
    }
    let mut response = ProduceResponse { responses, ..Default::default() };
    if request.acks == ACKS_NONE {
        return match first_error(&response) {
            Some(error) => Reply::Close(error.name()),
            None => Reply::Nothing,
        };
    }
    let whose = Whose::of(context);
    if pending.is_empty() {
        name_leaders(&whose, &mut response);
        return Reply::Now(response);
    }
    let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    let deadline = context.node.runtime.deadline(timeout);
    Reply::Later(replicated(whose, response, pending, deadline).boxed())
}

/// Who is answered, for as long as that takes.
struct Whose {
    node: Arc<Node>,
    connection: Arc<Connection>,
    version: i16,
}

impl Whose {
    fn of(context: &RequestContext) -> Self {
        let (node, connection) = (Arc::clone(&context.node), Arc::clone(&context.connection));
        Self { node, connection, version: context.api_version }
    }
}

/// Tells who leads the partitions that this broker does not.
fn name_leaders(whose: &Whose, response: &mut ProduceResponse<'_>) {
    let has_moved =
        |partition: &PartitionProduceResponse<'_>| partition.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER;
    let mut results = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    if whose.version < LEADERS_VERSION || !results.any(has_moved) {
        return;
    }
    let mut leaders = CurrentLeaders::new(whose.node.image(), &whose.connection.listener);
    for topic in &mut response.responses {
        let named = leaders.topic_id(&topic.name);
        let topic_id = if whose.version >= TOPIC_IDS_VERSION { Some(topic.topic_id) } else { named };
        let Some(topic_id) = topic_id else { continue };
        for result in topic.partition_responses.iter_mut().filter(|result| has_moved(result)) {
            let (leader_id, leader_epoch) = leaders.of(TopicIdPartition { topic_id, partition: result.index });
            result.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
        }
    }
    let endpoint = |node: LeaderNode| NodeEndpoint {
        node_id: node.id,
        host: node.host.into(),
        port: node.port,
        rack: node.rack.map(Into::into),
        ..Default::default()
    };
    response.node_endpoints = leaders.nodes().map(endpoint).collect();
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
        TOPIC_IDS_VERSION.. => image.topics.get(topic.topic_id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID),
        _ => image.topics.named(&topic.name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    };
    let mut response =
        TopicProduceResponse { name: topic.name.to_string().into(), topic_id: topic.topic_id, ..Default::default() };
    let wanted = if request.acks == ACKS_ALL { Acks::AllInSync } else { Acks::Leader };
    for partition in &topic.partition_data {
        let appended = check(request).map_err(AppendError::from).and_then(|()| {
            let topic = found?;
            let key = TopicIdPartition { topic_id: topic.id, partition: partition.index };
            let hosted = context.node.replicas.hosted(key).map_err(|code| moved_or(&image, key, code))?;
            let appended = hosted.append(bytes(partition.records.as_ref()), wanted, context.node.runtime.wall())?;
            Ok((hosted, appended))
        });
        let result = match appended {
            Ok((hosted, appended)) => {
                let waits = request.acks == ACKS_ALL || request.acks == ACKS_LEADER && appended.is_flush_due;
                let answers_at_once = context.node.replicas.surroundings().has(Bug::AnswersBeforeReplication);
                if waits && !appended.replicated && !answers_at_once {
                    // All of them at once, not one when it is waited for.
                    hosted.hurry_sync();
                    let partition = response.partition_responses.len();
                    let (end, since) = (appended.end_offset, appended.led_since);
                    pending.push(Pending { topic: topic_index, partition, hosted, end, since });
                }
                accepted(partition.index, &appended)
            }
            Err(error) => rejected(partition.index, &error),
        };
        response.partition_responses.push(result);
    }
    response
}

/// What can be wrong with a request as a whole; told for each of its partitions, because Produce has no error of its own.
fn check(request: &ProduceRequest<'_>) -> Result<(), ErrorCode> {
    match request.acks {
        ACKS_ALL | ACKS_NONE | ACKS_LEADER if request.transactional_id.is_some() => Err(ErrorCode::INVALID_TXN_STATE),
        ACKS_ALL | ACKS_NONE | ACKS_LEADER => Ok(()),
        _ => Err(ErrorCode::INVALID_REQUIRED_ACKS),
    }
}

fn bytes<'r>(records: Option<&'r Records<'_>>) -> &'r [u8] {
    match records {
        Some(Records::Borrowed(bytes)) => bytes,
        Some(Records::Bytes(bytes)) => bytes,
        None | Some(Records::File(_) | Records::Pieces(_)) => &[],
    }
}

fn accepted(partition: i32, appended: &Appended) -> PartitionProduceResponse<'static> {
    PartitionProduceResponse {
        index: partition,
        base_offset: appended.base_offset.0,
        log_append_time_ms: appended.log_append_time.0,
        log_start_offset: appended.log_start.0,
        ..Default::default()
    }
}

fn rejected(partition: i32, error: &AppendError) -> PartitionProduceResponse<'static> {
    let error_code = error_code(error);
    // What a whole directory refuses is told once, by it.
    if matches!(error, AppendError::Log(LogError::Io(cause)) if !cause.is_out_of_space()) {
        tracing::error!(partition, %error, "an append failed");
    }
    let mut response = PartitionProduceResponse { error_code, ..failed(partition) };
    if let AppendError::Refused(refusal) = error {
        response.error_message = Some(refusal.to_string().into());
    }
    if let AppendError::Invalid(invalid) = error {
        let message = invalid.to_string();
        response.record_errors = (invalid.record_index().into_iter())
            .map(|batch_index| BatchIndexAndErrorMessage {
                batch_index,
                batch_index_error_message: Some(message.clone().into()),
                ..Default::default()
            })
            .collect();
        response.error_message = Some(message.into());
    }
    response
}

fn failed(partition: i32) -> PartitionProduceResponse<'static> {
    PartitionProduceResponse { index: partition, base_offset: -1, ..Default::default() }
}

/// Kafka's code for an append that was refused.
fn error_code(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::NotLeading(code) => *code,
        AppendError::Refused(_) => ErrorCode::KAFKA_STORAGE_ERROR,
        AppendError::Invalid(invalid) => match invalid {
            InvalidBatch::Batch(BatchError::Magic { .. }) => ErrorCode::INVALID_RECORD,
            InvalidBatch::Batch(_) => ErrorCode::CORRUPT_MESSAGE,
            InvalidBatch::TooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
            InvalidBatch::Timestamp { .. } | InvalidBatch::LogAppendTime => ErrorCode::INVALID_TIMESTAMP,
            InvalidBatch::Compress(_) => ErrorCode::UNKNOWN_SERVER_ERROR,
            InvalidBatch::BatchCount { .. }
            | InvalidBatch::BaseOffset { .. }
            | InvalidBatch::Count { .. }
            | InvalidBatch::Sequence { .. }
            | InvalidBatch::Control
            | InvalidBatch::KeyMissing { .. }
            | InvalidBatch::OffsetDelta { .. }
            | InvalidBatch::Record(_) => ErrorCode::INVALID_RECORD,
        },
        AppendError::Log(log) => match log {
            LogError::Io(_) | LogError::Offline | LogError::OffsetOverflow { .. } => ErrorCode::KAFKA_STORAGE_ERROR,
            LogError::Sequence(SequenceError::OutOfOrder { .. }) => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            LogError::Sequence(SequenceError::StaleEpoch { .. }) => ErrorCode::INVALID_PRODUCER_EPOCH,
            LogError::Sequence(SequenceError::OutsideTransaction { .. }) => ErrorCode::INVALID_TXN_STATE,
            LogError::Batch(_) | LogError::NotContinuing { .. } => ErrorCode::CORRUPT_MESSAGE,
            LogError::TooLarge { .. } => ErrorCode::RECORD_LIST_TOO_LARGE,
        },
    }
}

fn first_error(response: &ProduceResponse<'_>) -> Option<ErrorCode> {
    let mut partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    partitions.find(|partition| partition.error_code != ErrorCode::NONE).map(|partition| partition.error_code)
}

/// Waits for every pending append, all with the same deadline, and writes into the response what became of it.
async fn replicated(
    whose: Whose,
    mut response: ProduceResponse<'static>,
    pending: Vec<Pending>,
    deadline: Instant,
) -> ProduceResponse<'static> {
    for Pending { topic, partition, hosted, end, since } in pending {
        let key = hosted.key;
        if let Err(error) = hosted.replicated(end, since, deadline).await
            && let Some(topic) = response.responses.get_mut(topic)
            && let Some(partition) = topic.partition_responses.get_mut(partition)
        {
            let error_code = moved_or(&whose.node.image(), key, error);
            *partition = PartitionProduceResponse { error_code, ..failed(partition.index) };
        }
    }
    name_leaders(&whose, &mut response);
    response
}
