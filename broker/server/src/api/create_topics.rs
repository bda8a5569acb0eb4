//! CreateTopics: forwards to the controller, and tells each topic's partitions, replicas and configurations. The reply leaves
//! after the topic can be used here.

use std::sync::Arc;

use barnabas_metadata::{CreateTopicError, CreatedTopic, ResourceConfigs};
use barnabas_protocol::messages::create_topics::{
    CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use barnabas_protocol::{ErrorCode, IntoOwned};

use super::RequestContext;
use crate::config::{Layers, describe_topic};
use crate::metadata::ControllerError;

/// Makes topics, each for itself.
pub async fn handle(context: &RequestContext, request: CreateTopicsRequest<'_>) -> CreateTopicsResponse<'static> {
    let names: Vec<_> = request.topics.iter().map(|topic| topic.name.to_string()).collect();
    let (deadline, request) = (context.deadline(request.timeout_ms), request.into_owned());
    let decided = context
        .node
        .controller
        .decide(deadline, move |controller, decision| controller.create_topics(decision, &request));
    let topics = match decided.await {
        Ok(results) => names.into_iter().zip(results).map(|(name, result)| answer(context, name, result)).collect(),
        Err(error) => names.into_iter().map(|name| undecided(name, &error)).collect(),
    };
    CreateTopicsResponse { topics, ..CreateTopicsResponse::default() }
}

fn answer(
    context: &RequestContext,
    name: String,
    result: Result<CreatedTopic, CreateTopicError>,
) -> CreatableTopicResult<'static> {
    match result {
        Ok(created) => CreatableTopicResult {
            name: name.into(),
            topic_id: created.topic_id,
            num_partitions: created.partitions,
            replication_factor: created.replication_factor,
            configs: Some(configs(context, &created)),
            ..CreatableTopicResult::default()
        },
        Err(error) => failed(name, error.code(), error.to_string()),
    }
}

/// Every configuration that the topic has, its own and those it inherits.
fn configs(context: &RequestContext, created: &CreatedTopic) -> Vec<CreatableTopicConfigs<'static>> {
    let node = &context.node;
    let image = node.image();
    let own = created.configs.iter().map(|(key, value)| (key.clone(), Arc::from(value.as_ref())));
    let own: ResourceConfigs = own.collect();
    let described = describe_topic(Some(&own), Layers::of(&image, node.broker_id, &node.settings));
    let told = described.into_iter().map(|config| CreatableTopicConfigs {
        name: config.name.into(),
        value: config.value.map(Into::into),
        read_only: config.read_only,
        config_source: config.source.id(),
        is_sensitive: config.is_sensitive,
        ..CreatableTopicConfigs::default()
    });
    told.collect()
}

fn undecided(name: String, error: &ControllerError) -> CreatableTopicResult<'static> {
    failed(name, error.code(), error.to_string())
}

fn failed(name: String, error_code: ErrorCode, message: String) -> CreatableTopicResult<'static> {
    CreatableTopicResult {
        name: name.into(),
        error_code,
        error_message: Some(message.into()),
        configs: Some(Vec::new()),
        ..CreatableTopicResult::default()
    }
}
