//! BrokerRegistration: a broker asks the controller to take part. Decided there.

use std::time::Duration;

use barnabas_metadata::{BrokerEndpoint, FeatureRange, Registered, Registration, RegistrationError};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::broker_registration::{BrokerRegistrationRequest, BrokerRegistrationResponse};
use barnabas_types::{BrokerId, Uuid};

use super::RequestContext;

/// The request carries no time limit of its own; a broker asks again.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Registers a broker, fenced, and answers with its epoch once that is committed.
pub async fn handle(
    context: &RequestContext,
    request: BrokerRegistrationRequest<'_>,
) -> BrokerRegistrationResponse<'static> {
    let refused = |error_code| BrokerRegistrationResponse { error_code, ..BrokerRegistrationResponse::default() };
    if *request.cluster_id != *context.node.cluster_id {
        return refused(ErrorCode::INCONSISTENT_CLUSTER_ID);
    }
    // The answer has no place for an id that would be given here.
    if request.broker_id < 0 {
        return refused(ErrorCode::INVALID_REGISTRATION);
    }
    if request.is_migrating_zk_broker {
        return refused(ErrorCode::BROKER_ID_NOT_REGISTERED);
    }
    let registration = registration(&request, context.node.incarnation_id);
    let deadline = context.node.runtime.deadline(TIMEOUT);
    let decided = context
        .node
        .controller
        .try_decide_committed(deadline, move |controller, decision| controller.register_broker(decision, registration));
    match decided.await {
        Ok(Ok(Registered { broker_epoch, .. })) => {
            BrokerRegistrationResponse { broker_epoch, ..BrokerRegistrationResponse::default() }
        }
        Ok(Err(error)) => {
            // One that comes back before its former session has ended asks again and again, and tells of it itself.
            match error {
                RegistrationError::Duplicate { .. } => tracing::debug!(%error, "a broker may not register yet"),
                _ => tracing::warn!(broker = request.broker_id, %error, "a broker may not register"),
            }
            refused(error.code())
        }
        Err(error) => refused(error.code()),
    }
}

fn registration(request: &BrokerRegistrationRequest<'_>, own: Uuid) -> Registration {
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
    Registration {
        broker_id: BrokerId(request.broker_id),
        incarnation_id: request.incarnation_id,
        endpoints: endpoints.collect(),
        features: features.collect(),
        rack: request.rack.as_deref().map(Into::into),
        log_dirs: request.log_dirs.clone(),
        // Whoever had the id before is this process's predecessor.
        beside_controller: request.incarnation_id == own,
    }
}
