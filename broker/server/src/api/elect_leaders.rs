//! ElectLeaders: a user has preferred leaders elected, or any where there is none (KIP-183, KIP-460). Whom is decided in `metadata`.

use barnabas_metadata::elect_leaders_response;
use barnabas_protocol::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};
use barnabas_protocol::{ErrorCode, IntoOwned};

use super::RequestContext;

/// From it on a request that fails as a whole says so once.
const ERROR_VERSION: i16 = 1;

/// Elects, each partition for itself. The reply leaves after this node knows the new leaders.
pub async fn handle(context: &RequestContext, request: ElectLeadersRequest<'_>) -> ElectLeadersResponse<'static> {
    let (deadline, request) = (context.deadline(request.timeout_ms), request.into_owned());
    let asked = request.clone();
    let decide = move |controller: &mut barnabas_metadata::Controller,
                       decision: &mut barnabas_metadata::Context<'_>| {
        controller.elect_leaders(decision, &request)
    };
    match context.node.controller.try_decide(deadline, decide).await {
        Ok(Ok(elected)) => elect_leaders_response(&elected),
        Ok(Err(refused)) => failed(context.api_version, &asked, refused.code(), &refused.to_string()),
        Err(error) => failed(context.api_version, &asked, error.code(), &error.to_string()),
    }
}

/// The error for the request as a whole, and for each partition that it names.
fn failed(
    version: i16,
    request: &ElectLeadersRequest<'static>,
    error_code: ErrorCode,
    message: &str,
) -> ElectLeadersResponse<'static> {
    let topics = request.topic_partitions.iter().flatten().map(|topic| ReplicaElectionResult {
        topic: topic.topic.clone(),
        partition_result: (topic.partitions.iter())
            .map(|&partition_id| PartitionResult {
                partition_id,
                error_code,
                error_message: Some(message.to_owned().into()),
                ..PartitionResult::default()
            })
            .collect(),
        ..ReplicaElectionResult::default()
    });
    ElectLeadersResponse {
        error_code: if version >= ERROR_VERSION { error_code } else { ErrorCode::NONE },
        replica_election_results: topics.collect(),
        ..ElectLeadersResponse::default()
    }
}
