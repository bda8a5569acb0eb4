//! CreatePartitions: more partitions for topics. The reply leaves after they can be used here.

use barnabas_protocol::messages::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopicResult,
};
use barnabas_protocol::{ErrorCode, IntoOwned};

use super::RequestContext;

/// Grows topics, each for itself.
pub async fn handle(
    context: &RequestContext,
    request: CreatePartitionsRequest<'_>,
) -> CreatePartitionsResponse<'static> {
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.to_string()).collect();
    let (deadline, request) = (context.deadline(request.timeout_ms), request.into_owned());
    let decided = context
        .node
        .controller
        .decide(deadline, move |controller, decision| controller.create_partitions(decision, &request))
        .await;
    let results = match decided {
        Ok(results) => {
            let answer = |(name, result): (String, Result<(), barnabas_metadata::CreatePartitionsError>)| {
                let error = result.err();
                let code = error.as_ref().map_or(ErrorCode::NONE, |error| error.code());
                answer(name, code, error.map(|error| error.to_string()))
            };
            names.into_iter().zip(results).map(answer).collect()
        }
        Err(error) => names.into_iter().map(|name| answer(name, error.code(), Some(error.to_string()))).collect(),
    };
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}

fn answer(name: String, error_code: ErrorCode, message: Option<String>) -> CreatePartitionsTopicResult<'static> {
    CreatePartitionsTopicResult {
        name: name.into(),
        error_code,
        error_message: message.map(Into::into),
        ..CreatePartitionsTopicResult::default()
    }
}
