//! DeleteTopics: by name, or by id from version 6 on. The reply leaves after the topic is gone here.

use std::sync::Arc;

use barnabas_metadata::{DeleteTopicError, Topic, TopicSelector};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};

use super::RequestContext;

/// The first version that knows that deleting can be switched off.
const DELETION_DISABLED_FROM: i16 = 3;

/// Deletes topics, each for itself.
pub async fn handle(context: &RequestContext, request: DeleteTopicsRequest<'_>) -> DeleteTopicsResponse<'static> {
    let selectors = selectors(&request);
    let responses = if context.node.config.topics.delete_topic_enable {
        delete(context, request.timeout_ms, selectors).await
    } else {
        let code = if context.api_version < DELETION_DISABLED_FROM {
            ErrorCode::INVALID_REQUEST
        } else {
            ErrorCode::TOPIC_DELETION_DISABLED
        };
        let message = "deleting topics is switched off (delete.topic.enable)";
        selectors.iter().map(|wanted| failed(wanted, code, message.to_owned())).collect()
    };
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

/// What is asked for: one selector, or the reason why there is none.
type Wanted = Result<TopicSelector, DeletableTopicResult<'static>>;

fn selectors(request: &DeleteTopicsRequest<'_>) -> Vec<Wanted> {
    let by_name = request.topic_names.iter().map(|name| Ok(TopicSelector::Name(name.as_ref().into())));
    by_name.chain(request.topics.iter().map(selector)).collect()
}

fn selector(topic: &DeleteTopicState<'_>) -> Wanted {
    match (&topic.name, topic.topic_id.is_zero()) {
        (Some(name), true) => Ok(TopicSelector::Name(name.as_ref().into())),
        (None, false) => Ok(TopicSelector::Id(topic.topic_id)),
        (name, _) => Err(DeletableTopicResult {
            name: name.as_ref().map(|name| name.to_string().into()),
            topic_id: topic.topic_id,
            error_code: ErrorCode::INVALID_REQUEST,
            error_message: Some("a topic is named by its name or by its id, not by both or neither".into()),
            ..DeletableTopicResult::default()
        }),
    }
}

async fn delete(context: &RequestContext, timeout_ms: i32, wanted: Vec<Wanted>) -> Vec<DeletableTopicResult<'static>> {
    let selectors: Vec<_> = wanted.iter().filter_map(|wanted| wanted.as_ref().ok().cloned()).collect();
    let decided = context
        .node
        .controller
        .decide(context.deadline(timeout_ms), move |controller, _| controller.delete_topics(&selectors))
        .await;
    match decided {
        Ok(results) => {
            let mut results = results.into_iter();
            let answer = |wanted: Wanted| match wanted.as_ref().ok().and_then(|_| results.next()) {
                Some(result) => answer(&wanted, result),
                None => failed(&wanted, ErrorCode::UNKNOWN_SERVER_ERROR, String::new()),
            };
            wanted.into_iter().map(answer).collect()
        }
        Err(error) => wanted.iter().map(|wanted| failed(wanted, error.code(), error.to_string())).collect(),
    }
}

fn answer(wanted: &Wanted, result: Result<Arc<Topic>, DeleteTopicError>) -> DeletableTopicResult<'static> {
    match result {
        Ok(topic) => DeletableTopicResult {
            name: Some(topic.name.to_string().into()),
            topic_id: topic.id,
            ..DeletableTopicResult::default()
        },
        Err(error) => failed(wanted, error.code(), error.to_string()),
    }
}

/// The error, under the name or id that was asked for; the reason why there was none comes first.
fn failed(wanted: &Wanted, error_code: ErrorCode, message: String) -> DeletableTopicResult<'static> {
    let selector = match wanted {
        Ok(selector) => selector,
        Err(refused) => return refused.clone(),
    };
    let mut result =
        DeletableTopicResult { error_code, error_message: Some(message.into()), ..DeletableTopicResult::default() };
    match selector {
        TopicSelector::Name(name) => result.name = Some(name.to_string().into()),
        TopicSelector::Id(id) => result.topic_id = *id,
    }
    result
}
