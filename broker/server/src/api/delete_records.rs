//! DeleteRecords: raises the first offset that may be read. The segments below it go with the next round of retention.

use std::sync::Arc;

use barnabas_metadata::topic_name;
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult,
};
use barnabas_types::Offset;
use futures::future::join_all;

use super::RequestContext;
use crate::replica::{Deletion, Partition};
use crate::storage::checkpoints;

/// Answers every partition by itself, when its records are deleted at every replica that is alive. The new start is kept before the reply leaves.
pub async fn handle(context: &RequestContext, request: DeleteRecordsRequest<'_>) -> DeleteRecordsResponse<'static> {
    let deadline = context.deadline(request.timeout_ms);
    let asked = request.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |asked| (&*topic.name, asked)));
    let mut begun: Vec<_> = asked.map(|(topic, asked)| begin(context, topic, asked)).collect();
    if begun.iter().any(Result::is_ok)
        && let Err(error) = keep(context).await
    {
        tracing::error!(%error, "deleted records may come back after a crash: their new start was not written");
        let deleted = begun.iter_mut().filter(|begun| begun.is_ok());
        deleted.for_each(|begun| *begun = Err(ErrorCode::KAFKA_STORAGE_ERROR));
    }
    let ends = begun.into_iter().map(|begun| async move {
        let (partition, deletion) = begun?;
        partition.deleted(deletion, deadline).await
    });
    let mut ended = join_all(ends).await.into_iter();
    let topics = request.topics.iter().map(|topic| DeleteRecordsTopicResult {
        name: topic.name.to_string().into(),
        partitions: topic.partitions.iter().zip(&mut ended).map(|(asked, ended)| result(asked, ended)).collect(),
        ..Default::default()
    });
    DeleteRecordsResponse { topics: topics.collect(), ..Default::default() }
}

/// Deletes here. What coordinators have written is theirs.
fn begin(
    context: &RequestContext,
    topic: &str,
    asked: &DeleteRecordsPartition<'_>,
) -> Result<(Arc<Partition>, Deletion), ErrorCode> {
    if topic_name::is_internal(topic) && context.node.image().topics.named(topic).is_some() {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let partition = context.hosted(topic, asked.partition_index)?;
    let deletion = partition.delete_records(Offset(asked.offset))?;
    Ok((partition, deletion))
}

fn result(
    asked: &DeleteRecordsPartition<'_>,
    ended: Result<Offset, ErrorCode>,
) -> DeleteRecordsPartitionResult<'static> {
    DeleteRecordsPartitionResult {
        partition_index: asked.partition_index,
        low_watermark: ended.map_or(-1, |offset| offset.0),
        error_code: ended.err().unwrap_or(ErrorCode::NONE),
        ..Default::default()
    }
}

/// Writes the new starts down: with the next checkpoint only, a crash before it would bring the records back.
async fn keep(context: &RequestContext) -> anyhow::Result<()> {
    let node = Arc::clone(&context.node);
    let written =
        context.node.runtime.spawn_blocking(move || checkpoints::write(&node.directories, &node.replicas.all()));
    Ok(written.await??)
}

#[cfg(test)]
mod tests {
    use barnabas_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
    use barnabas_protocol::messages::delete_records::DeleteRecordsTopic;
    use barnabas_protocol::messages::{CreateTopicsRequest, FindCoordinatorRequest};

    use super::*;
    use crate::testing::Broker;

    #[tokio::test]
    async fn neither_a_coordinator_s_records_nor_those_that_only_compaction_removes_are_deleted() {
        let broker = Broker::start().await;
        let mut client = broker.connect().await;
        let compacted =
            CreatableTopicConfig { name: "cleanup.policy".into(), value: Some("compact".into()), ..Default::default() };
        let topic = |name: &'static str, configs| CreatableTopic {
            name: name.into(),
            num_partitions: 1,
            replication_factor: 1,
            configs,
            ..Default::default()
        };
        let topics = vec![topic("plain", vec![]), topic("compacted", vec![compacted])];
        let created = client.call(7, &CreateTopicsRequest { topics, timeout_ms: 30_000, ..Default::default() }).await;
        assert!(created.topics.iter().all(|topic| topic.error_code == ErrorCode::NONE), "{created:?}");
        let find = FindCoordinatorRequest { coordinator_keys: vec!["group".into()], ..Default::default() };
        assert_eq!(client.call(4, &find).await.coordinators[0].error_code, ErrorCode::NONE);
        let delete = |name: &'static str| DeleteRecordsTopic {
            name: name.into(),
            partitions: vec![DeleteRecordsPartition { partition_index: 0, offset: -1, ..Default::default() }],
            ..Default::default()
        };
        let topics = ["plain", "compacted", "__consumer_offsets", "__transaction_state"].map(delete).into();
        let request = DeleteRecordsRequest { topics, timeout_ms: 30_000, ..Default::default() };
        let answered = client.call(2, &request).await;
        let answers = answered.topics.iter().flat_map(|topic| &topic.partitions);
        assert_eq!(
            answers.map(|answer| (answer.error_code, answer.low_watermark)).collect::<Vec<_>>(),
            [
                (ErrorCode::NONE, 0),
                (ErrorCode::POLICY_VIOLATION, -1),
                (ErrorCode::INVALID_TOPIC_EXCEPTION, -1),
                (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, -1),
            ]
        );
        broker.running.stop().await.unwrap();
    }
}
