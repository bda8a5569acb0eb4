//! ApiVersions: which APIs are served in which versions, and the feature levels. Answered out of the registry's table.

use barnabas_protocol::messages::api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use barnabas_protocol::{ApiKey, ErrorCode, encode_response};

use super::context::{Answer, Refusal};
use super::{RequestContext, SERVED};

/// What is served. A client that names itself in other characters than Kafka allows gets `INVALID_REQUEST`.
pub async fn handle(context: &RequestContext, request: ApiVersionsRequest<'_>) -> ApiVersionsResponse<'static> {
    let named = [&request.client_software_name, &request.client_software_version];
    if context.api_version >= 3 && !named.iter().all(|name| is_legal_name(name)) {
        return ApiVersionsResponse { error_code: ErrorCode::INVALID_REQUEST, ..Default::default() };
    }
    ApiVersionsResponse { api_keys: api_keys(), ..Default::default() }
}

/// The answer to a version that is not known here: version 0, with the table, so that the client can choose another.
///
/// # Errors
/// Never in practice: version 0 can carry this response.
pub fn unsupported(correlation_id: i32) -> Result<Answer, Refusal> {
    let response =
        ApiVersionsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, api_keys: api_keys(), ..Default::default() };
    Ok(Answer::Now(encode_response(correlation_id, 0, &response)?))
}

fn api_keys() -> Vec<ApiVersion<'static>> {
    let row = |key: &ApiKey| {
        let versions = key.advertised_versions();
        ApiVersion { api_key: key.number(), min_version: versions.min, max_version: versions.max, ..Default::default() }
    };
    SERVED.iter().map(row).collect()
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
    fn names_of_client_software_are_checked_as_kafka_does() {
        for legal in ["librdkafka", "apache-kafka-java", "v1.2.3", "a"] {
            assert!(is_legal_name(legal), "{legal}");
        }
        for illegal in ["", "-a", "a.", "a b", "ä"] {
            assert!(!is_legal_name(illegal), "{illegal}");
        }
    }
}
