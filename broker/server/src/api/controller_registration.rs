//! ControllerRegistration: a controller tells the active one where it listens and what it supports (KIP-919).

use std::time::Duration;

use barnabas_metadata::{BrokerEndpoint, ControllerRegistration, FeatureRange};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::controller_registration::{
    ControllerRegistrationRequest, ControllerRegistrationResponse,
};
use barnabas_types::BrokerId;

use super::RequestContext;

/// The request carries no time limit of its own; a controller asks again.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Registers a controller.
pub async fn handle(
    context: &RequestContext,
    request: ControllerRegistrationRequest<'_>,
) -> ControllerRegistrationResponse<'static> {
    let endpoints = request.listeners.iter().map(|listener| BrokerEndpoint {
        name: listener.name.as_ref().into(),
        host: listener.host.as_ref().into(),
        port: listener.port,
        security_protocol: listener.security_protocol,
    });
    let features = request.features.iter().map(|feature| FeatureRange {
        name: feature.name.as_ref().into(),
        min: feature.min_supported_version,
        max: feature.max_supported_version,
    });
    let registration = ControllerRegistration {
        id: BrokerId(request.controller_id),
        incarnation_id: request.incarnation_id,
        zk_migration_ready: request.zk_migration_ready,
        endpoints: endpoints.collect(),
        features: features.collect(),
    };
    let deadline = context.node.runtime.deadline(TIMEOUT);
    let decided = context
        .node
        .controller
        .try_decide_committed(deadline, move |controller, _| controller.register_controller(&registration));
    let (error_code, message) = match decided.await {
        Ok(Ok(())) => (ErrorCode::NONE, None),
        Ok(Err(unsupported)) => (ErrorCode::UNSUPPORTED_VERSION, Some(unsupported.to_string())),
        Err(error) => (error.code(), Some(error.to_string())),
    };
    ControllerRegistrationResponse {
        error_code,
        error_message: message.map(Into::into),
        ..ControllerRegistrationResponse::default()
    }
}
