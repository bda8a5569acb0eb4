//! DeleteRecords: raises the first offset that may be read. The segments below it go with the next round of retention.

use std::sync::Arc;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use barnabas_types::Offset;

use super::RequestContext;
use crate::storage::checkpoints;

/// Answers every partition by itself. The new start is kept before the reply leaves.
pub async fn handle(context: &RequestContext, request: DeleteRecordsRequest<'_>) -> DeleteRecordsResponse<'static> {
    let mut topics = Vec::new();
    let mut any_moved = false;
    for topic in &request.topics {
        let mut partitions = Vec::new();
        for asked in &topic.partitions {
            let deleted = context
                .hosted(&topic.name, asked.partition_index)
                .and_then(|partition| partition.delete_records(Offset(asked.offset)));
            any_moved |= deleted.is_ok();
            let error_code = deleted.err().unwrap_or(ErrorCode::NONE);
            partitions.push(DeleteRecordsPartitionResult {
                partition_index: asked.partition_index,
                low_watermark: deleted.map_or(-1, |offset| offset.0),
                error_code,
                ..Default::default()
            });
        }
        topics.push(DeleteRecordsTopicResult { name: topic.name.to_string().into(), partitions, ..Default::default() });
    }
    let mut response = DeleteRecordsResponse { topics, ..Default::default() };
    if any_moved && let Err(error) = keep(context).await {
        tracing::error!(%error, "deleted records may come back after a crash: their new start was not written");
        let answers = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        for answer in answers.filter(|answer| answer.error_code == ErrorCode::NONE) {
            (answer.error_code, answer.low_watermark) = (ErrorCode::KAFKA_STORAGE_ERROR, -1);
        }
    }
    response
}

/// Writes the new starts down: with the next checkpoint only, a crash before it would bring the records back.
async fn keep(context: &RequestContext) -> anyhow::Result<()> {
    let node = Arc::clone(&context.node);
    let written =
        context.node.runtime.spawn_blocking(move || checkpoints::write(&node.directories, &node.replicas.all()));
    Ok(written.await??)
}
