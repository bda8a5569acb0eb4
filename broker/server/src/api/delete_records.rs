//! DeleteRecords: raises the first offset that may be read. The segments below it go with the next round of retention.

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::delete_records::{
    DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use barnabas_types::Offset;

use super::RequestContext;

/// Answers every partition by itself. The new start is kept before the reply leaves.
pub async fn handle(context: &RequestContext, request: DeleteRecordsRequest<'_>) -> DeleteRecordsResponse<'static> {
    let mut topics = Vec::new();
    for topic in &request.topics {
        let mut partitions = Vec::new();
        for asked in &topic.partitions {
            let deleted = context
                .hosted(&topic.name, asked.partition_index)
                .and_then(|partition| partition.delete_records(Offset(asked.offset)));
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
    DeleteRecordsResponse { topics, ..Default::default() }
}
