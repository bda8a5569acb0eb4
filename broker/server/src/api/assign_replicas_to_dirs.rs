//! AssignReplicasToDirs: a broker tells the controller in which directories its replicas lie (KIP-858).

use std::time::Duration;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::assign_replicas_to_dirs::{
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, DirectoryDataResult, PartitionDataResult,
    TopicDataResult,
};
use barnabas_types::{BrokerId, TopicIdPartition, Uuid};

use super::RequestContext;

/// The request carries no time limit of its own; a broker asks again.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Notes the directory of each replica; each succeeds or fails by itself.
pub async fn handle(
    context: &RequestContext,
    request: AssignReplicasToDirsRequest<'_>,
) -> AssignReplicasToDirsResponse<'static> {
    let (broker, epoch) = (BrokerId(request.broker_id), request.broker_epoch);
    let replicas = replicas(&request);
    let deadline = context.node.runtime.deadline(TIMEOUT);
    let decided = context.node.controller.try_decide_committed(deadline, move |controller, decision| {
        controller.assign_replicas(decision, broker, epoch, &replicas)
    });
    let refused = |error_code| AssignReplicasToDirsResponse { error_code, ..AssignReplicasToDirsResponse::default() };
    match decided.await {
        Ok(Ok(results)) => answer(
            &request,
            results.into_iter().map(|result| result.map_or_else(|error| error.code(), |()| ErrorCode::NONE)),
        ),
        Ok(Err(error)) => refused(error.code()),
        Err(error) => refused(error.code()),
    }
}

fn replicas(request: &AssignReplicasToDirsRequest<'_>) -> Vec<(Uuid, TopicIdPartition)> {
    let mut replicas = Vec::new();
    for directory in &request.directories {
        for topic in &directory.topics {
            let topic_id = topic.topic_id;
            let keys =
                topic.partitions.iter().map(|asked| TopicIdPartition { topic_id, partition: asked.partition_index });
            replicas.extend(keys.map(|key| (directory.id, key)));
        }
    }
    replicas
}

/// The results in the shape of the request.
fn answer(
    request: &AssignReplicasToDirsRequest<'_>,
    mut codes: impl Iterator<Item = ErrorCode>,
) -> AssignReplicasToDirsResponse<'static> {
    let mut response = AssignReplicasToDirsResponse::default();
    for directory in &request.directories {
        let mut told = DirectoryDataResult { id: directory.id, ..DirectoryDataResult::default() };
        for topic in &directory.topics {
            let partitions = topic.partitions.iter().map(|asked| PartitionDataResult {
                partition_index: asked.partition_index,
                error_code: codes.next().unwrap_or(ErrorCode::UNKNOWN_SERVER_ERROR),
                ..PartitionDataResult::default()
            });
            let partitions = partitions.collect();
            told.topics.push(TopicDataResult { topic_id: topic.topic_id, partitions, ..TopicDataResult::default() });
        }
        response.directories.push(told);
    }
    response
}
