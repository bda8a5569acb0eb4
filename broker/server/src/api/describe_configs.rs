//! DescribeConfigs: configuration in force with where it comes from, of topics, brokers and groups.

use barnabas_metadata::{ConfigResource, Image, ResourceType};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
    DescribeConfigsResult, DescribeConfigsSynonym,
};

use super::RequestContext;
use crate::config::{DescribedConfig, Layers, describe_all_brokers, describe_broker, describe_group, describe_topic};

/// Why a resource is not described.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum DescribeError {
    /// No such topic.
    #[error("This server does not host this topic-partition.")]
    UnknownTopic,
    /// No such name can exist.
    #[error("{0}")]
    TopicName(#[from] barnabas_metadata::topic_name::TopicNameError),
    /// Another broker's configuration is known to itself alone.
    #[error("Unexpected broker id, expected {own} or empty string, but received {given}")]
    OtherBroker {
        /// This broker.
        own: i32,
        /// What was asked for.
        given: Box<str>,
    },
    /// Not a kind of resource that has configuration here.
    #[error("resources of kind {code} have no configuration on this broker")]
    Unsupported {
        /// Kafka's number of the kind.
        code: i8,
    },
}

impl DescribeError {
    const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownTopic => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Self::TopicName(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
            Self::OtherBroker { .. } | Self::Unsupported { .. } => ErrorCode::INVALID_REQUEST,
        }
    }
}

/// Describes each resource by itself.
pub async fn handle(context: &RequestContext, request: DescribeConfigsRequest<'_>) -> DescribeConfigsResponse<'static> {
    let image = context.node.image();
    let results = request.resources.iter().map(|resource| {
        let described = describe(context, &image, resource);
        answer(&request, resource, described)
    });
    DescribeConfigsResponse { results: results.collect(), ..DescribeConfigsResponse::default() }
}

fn describe(
    context: &RequestContext,
    image: &Image,
    resource: &DescribeConfigsResource<'_>,
) -> Result<Vec<DescribedConfig>, DescribeError> {
    let (node, name, code) = (&context.node, resource.resource_name.as_ref(), resource.resource_type);
    let layers = Layers::of(image, node.broker_id, &node.settings);
    match ResourceType::from_id(code) {
        Some(ResourceType::Topic) => {
            barnabas_metadata::topic_name::validate(name)?;
            image.topics.named(name).ok_or(DescribeError::UnknownTopic)?;
            Ok(describe_topic(image.configs.topic(name), layers))
        }
        Some(ResourceType::Broker) if name.is_empty() => Ok(describe_all_brokers(layers)),
        Some(ResourceType::Broker) if name.parse() == Ok(node.broker_id.0) => Ok(describe_broker(layers)),
        Some(ResourceType::Broker) => Err(DescribeError::OtherBroker { own: node.broker_id.0, given: name.into() }),
        Some(ResourceType::Group) => {
            let group = ConfigResource { resource_type: ResourceType::Group, name: name.into() };
            Ok(describe_group(image.configs.get(&group), layers))
        }
        Some(ResourceType::BrokerLogger | ResourceType::ClientMetrics) | None => {
            Err(DescribeError::Unsupported { code })
        }
    }
}

fn answer(
    request: &DescribeConfigsRequest<'_>,
    resource: &DescribeConfigsResource<'_>,
    described: Result<Vec<DescribedConfig>, DescribeError>,
) -> DescribeConfigsResult<'static> {
    let result = DescribeConfigsResult {
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.to_string().into(),
        ..DescribeConfigsResult::default()
    };
    match described {
        Ok(configs) => {
            let asked = |config: &DescribedConfig| match &resource.configuration_keys {
                // Old clients ask for all with an empty list.
                Some(keys) if !keys.is_empty() => keys.iter().any(|key| *key == config.name),
                _ => true,
            };
            let configs = configs.into_iter().filter(asked).map(|config| told(request, config)).collect();
            DescribeConfigsResult { configs, ..result }
        }
        Err(error) => {
            DescribeConfigsResult { error_code: error.code(), error_message: Some(error.to_string().into()), ..result }
        }
    }
}

fn told(request: &DescribeConfigsRequest<'_>, config: DescribedConfig) -> DescribeConfigsResourceResult<'static> {
    let synonyms =
        config.synonyms.into_iter().filter(|_| request.include_synonyms).map(|synonym| DescribeConfigsSynonym {
            name: synonym.name.into(),
            value: synonym.value.map(Into::into),
            source: synonym.source.id(),
            ..DescribeConfigsSynonym::default()
        });
    DescribeConfigsResourceResult {
        name: config.name.into(),
        value: config.value.map(Into::into),
        read_only: config.read_only,
        config_source: config.source.id(),
        is_sensitive: config.is_sensitive,
        synonyms: synonyms.collect(),
        config_type: config.config_type,
        documentation: request.include_documentation.then(|| config.documentation.into()),
        ..DescribeConfigsResourceResult::default()
    }
}
