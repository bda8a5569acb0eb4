//! BrokerRegistration: a broker asks the controller to take part, and may ask for an id. Decided there.

use std::time::Duration;

use barnabas_metadata::{BrokerEndpoint, FeatureRange, Registered, Registration, RegistrationError};
use barnabas_protocol::messages::broker_registration::{BrokerRegistrationRequest, BrokerRegistrationResponse};
use barnabas_protocol::{ErrorCode, UnknownTags, own_tags};
use barnabas_types::{BrokerId, Uuid};
use tokio::time::Instant;

use super::RequestContext;
use crate::metadata::ControllerError;

/// The request carries no time limit of its own; a broker asks again.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The id of who has none and asks for one.
const WITHOUT_ID: BrokerId = BrokerId::NONE;

/// Registers a broker, fenced, and answers with its epoch once that is committed; with its id too, where it had none.
pub async fn handle(
    context: &RequestContext,
    request: BrokerRegistrationRequest<'_>,
) -> BrokerRegistrationResponse<'static> {
    let refused = |error_code| BrokerRegistrationResponse { error_code, ..BrokerRegistrationResponse::default() };
    if *request.cluster_id != *context.node.cluster_id {
        return refused(ErrorCode::INCONSISTENT_CLUSTER_ID);
    }
    let is_without_id = request.broker_id == WITHOUT_ID.0;
    if request.broker_id < 0 && !is_without_id {
        return refused(ErrorCode::INVALID_REGISTRATION);
    }
    if request.is_migrating_zk_broker {
        return refused(ErrorCode::BROKER_ID_NOT_REGISTERED);
    }
    let registration = registration(&request, context.node.incarnation_id);
    let deadline = context.node.runtime.deadline(TIMEOUT);
    let voters = match is_without_id {
        true => match voters(context, deadline).await {
            Ok(voters) => voters,
            Err(error) => return refused(error.code()),
        },
        false => Vec::new(),
    };
    let controller = &context.node.controller;
    let decided = controller.try_decide_committed(deadline, move |controller, decision| match is_without_id {
        true => controller.register_broker_without_id(decision, registration, &voters),
        false => controller.register_broker(decision, registration),
    });
    match decided.await {
        Ok(Ok(Registered { broker_id, broker_epoch })) => {
            let unknown_tags = match is_without_id {
                true => own_tags::given_broker_id(broker_id.0),
                false => UnknownTags::default(),
            };
            BrokerRegistrationResponse { broker_epoch, unknown_tags, ..BrokerRegistrationResponse::default() }
        }
        Ok(Err(error)) => {
            // One that comes back before its former session has ended asks again and again, and tells of it itself.
            match error {
                RegistrationError::Duplicate { broker, has_directories } => {
                    context.node.detection.contested(broker, has_directories);
                    tracing::debug!(%error, "a broker may not register yet");
                }
                _ => tracing::warn!(broker = request.broker_id, %error, "a broker may not register"),
            }
            refused(error.code())
        }
        Err(error) => refused(error.code()),
    }
}

/// The quorum's voters, of which the image need not know.
async fn voters(context: &RequestContext, deadline: Instant) -> Result<Vec<BrokerId>, ControllerError> {
    let quorum = context.node.controller.describe_quorum(deadline).await?.ok_or(ControllerError::NotController)?;
    Ok(quorum.voters.iter().map(|voter| voter.key.id).collect())
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
        previous_broker_epoch: request.previous_broker_epoch,
        endpoints: endpoints.collect(),
        features: features.collect(),
        rack: request.rack.as_deref().map(Into::into),
        log_dirs: request.log_dirs.clone(),
        // Whoever had the id before is this process's predecessor.
        beside_controller: request.incarnation_id == own,
    }
}
