//! ApiVersions: which APIs are served in which versions, and the feature levels. Answered out of the registry's table.

use barnabas_metadata::{FeatureRange, KRAFT_VERSION};
use barnabas_protocol::messages::api_versions::{
    ApiVersion, ApiVersionsRequest, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use barnabas_protocol::{ApiKey, ErrorCode, UnknownTags, encode_response, own_tags};
use barnabas_types::Uuid;

use super::context::{Answer, Refusal};
use super::{RequestContext, served};
use crate::connection::ListenerKind;
use crate::node::Node;

/// What is served. A client that names itself in other characters than Kafka allows gets `INVALID_REQUEST`.
pub async fn handle(context: &RequestContext, request: ApiVersionsRequest<'_>) -> ApiVersionsResponse<'static> {
    let named = [&request.client_software_name, &request.client_software_version];
    if context.api_version >= FLEXIBLE && !named.iter().all(|name| is_legal_name(name)) {
        return ApiVersionsResponse { error_code: ErrorCode::INVALID_REQUEST, ..Default::default() };
    }
    let image = context.node.image();
    // Clients compare epochs and keep the newest: an offset of the metadata log only ever grows.
    let epoch = context.node.controller.applied().end().0;
    let level = context.node.controller.active().borrow().kraft_version;
    let kraft_version = i16::try_from(level).ok().filter(|level| *level > 0).map(|level| (KRAFT_VERSION, level));
    ApiVersionsResponse {
        api_keys: api_keys(context.connection.kind),
        supported_features: supported(&barnabas_metadata::served_features(), context.api_version),
        finalized_features_epoch: epoch,
        finalized_features: image.features.iter().chain(kraft_version).map(finalized).collect(),
        unknown_tags: own_tags(context, &request),
        ..Default::default()
    }
}

/// The first version with tagged fields.
const FLEXIBLE: i16 = 3;

/// What our own nodes have to know of this one before they ask it for what Apache Kafka's would misunderstand, or to know it by.
fn own_tags(context: &RequestContext, request: &ApiVersionsRequest<'_>) -> UnknownTags<'static> {
    let node = &context.node;
    match context.connection.kind {
        _ if context.api_version < FLEXIBLE => UnknownTags::default(),
        _ if own_tags::is_asked_who(&request.unknown_tags) => own_tags::who(node.broker_id.0, registered_as(node)),
        ListenerKind::Controller => own_tags::of_controller(node.detection.is_fast()),
        ListenerKind::Broker => UnknownTags::default(),
    }
}

/// The incarnation under which this process has registered last: a broker that has to take its word back registers as another.
fn registered_as(node: &Node) -> Uuid {
    let image = node.image();
    let own = image.brokers.get(node.broker_id);
    let current = own.filter(|broker| broker.epoch == node.replicas.surroundings().own_epoch());
    current.map_or(node.incarnation_id, |broker| broker.incarnation_id)
}

/// What this node supports, which is what it registers. A node that is a controller alone tells it too: the leader of the quorum
/// asks before it gives a vote. Before version 4 a client cannot read a lowest level of 0 (KIP-584's own limit), and is not told
/// of such a feature.
fn supported(features: &[FeatureRange], api_version: i16) -> Vec<SupportedFeatureKey<'static>> {
    let told = features.iter().filter(|feature| api_version >= 4 || feature.min > 0);
    told.map(|feature| SupportedFeatureKey {
        name: feature.name.to_string().into(),
        min_version: feature.min,
        max_version: feature.max,
        ..Default::default()
    })
    .collect()
}

fn finalized((name, level): (&str, i16)) -> FinalizedFeatureKey<'static> {
    FinalizedFeatureKey {
        name: name.to_owned().into(),
        max_version_level: level,
        min_version_level: level,
        ..Default::default()
    }
}

/// The answer to a version that is not known here: version 0, with the table, so that the client can choose another.
///
/// # Errors
/// Never in practice: version 0 can carry this response.
pub fn unsupported(context: &RequestContext) -> Result<Answer, Refusal> {
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        api_keys: api_keys(context.connection.kind),
        ..Default::default()
    };
    Ok(Answer::Now(encode_response(context.correlation_id, 0, &response)?))
}

fn api_keys(kind: ListenerKind) -> Vec<ApiVersion<'static>> {
    let row = |key: &ApiKey| {
        let versions = key.advertised_versions();
        ApiVersion { api_key: key.number(), min_version: versions.min, max_version: versions.max, ..Default::default() }
    };
    served(kind).iter().map(row).collect()
}

/// Letters, digits, `-` and `.`, beginning and ending with a letter or digit (KIP-511).
fn is_legal_name(name: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    is_edge(bytes.first()) && is_edge(bytes.last()) && bytes.iter().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_with_a_lowest_level_of_zero_is_told_from_version_4_on() {
        let range = |name: &str, min| FeatureRange { name: name.into(), min, max: 30 };
        let features = [range("metadata.version", 7), range("kraft.version", 0)];
        let names = |version| supported(&features, version).into_iter().map(|f| f.name).collect::<Vec<_>>();
        assert_eq!(names(3), ["metadata.version"]);
        assert_eq!(names(4), ["metadata.version", "kraft.version"]);
    }

    #[test]
    fn names_of_client_software_are_checked_as_kafka_does() {
        for legal in ["librdkafka", "apache-kafka-java", "v1.2.3", "a"] {
            assert!(is_legal_name(legal), "{legal}");
        }
        for illegal in ["", "-a", "a.", "a b", "ä"] {
            assert!(!is_legal_name(illegal), "{illegal}");
        }
    }
}
