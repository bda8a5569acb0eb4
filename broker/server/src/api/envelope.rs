//! Envelope: a broker forwards what a client asked it and only the active controller may decide (KIP-590). Refuses what brokers do not
//! forward, and everything while another controller is active.

use std::sync::Arc;

use barnabas_protocol::messages::{EnvelopeRequest, EnvelopeResponse};
use barnabas_protocol::{ErrorCode, Reader, RequestHeader};
use bytes::Bytes;

use super::{Answer, RequestContext, registry};
use crate::active_controller::{LENGTH_BYTES, joined};

/// Answers the request inside as if it had come in on this listener.
pub async fn handle(context: &RequestContext, request: EnvelopeRequest<'_>) -> EnvelopeResponse<'static> {
    let refused = |error_code| EnvelopeResponse { error_code, ..EnvelopeResponse::default() };
    if !context.node.is_active_controller() {
        return refused(ErrorCode::NOT_CONTROLLER);
    }
    let data = Bytes::copy_from_slice(&request.request_data);
    let mut reader = Reader::new(&data);
    let Ok(header) = RequestHeader::decode(&mut reader) else { return refused(ErrorCode::INVALID_REQUEST) };
    if !header.api_key.is_forwarded() || !registry::SERVED_BY_CONTROLLER.contains(&header.api_key) {
        return refused(ErrorCode::INVALID_REQUEST);
    }
    let inside = RequestContext {
        node: Arc::clone(&context.node),
        connection: Arc::clone(&context.connection),
        api_key: header.api_key,
        api_version: header.api_version,
        correlation_id: header.correlation_id,
        client_id: header.client_id.unwrap_or_default().as_ref().into(),
    };
    let answered = registry::dispatch(inside, data.slice(reader.position()..)).await;
    let segments = match answered {
        Ok(Answer::Now(segments)) => Ok(segments),
        Ok(Answer::Later(segments)) => segments.await.map_err(|error| error.to_string()),
        Ok(Answer::Nothing) => return refused(ErrorCode::INVALID_REQUEST),
        Err(error) => Err(error.to_string()),
    };
    match segments {
        Ok(segments) => EnvelopeResponse {
            response_data: joined(segments).get(LENGTH_BYTES..).map(|data| data.to_vec().into()),
            ..EnvelopeResponse::default()
        },
        Err(error) => {
            tracing::warn!(error, "what a broker forwards cannot be answered");
            refused(ErrorCode::INVALID_REQUEST)
        }
    }
}
