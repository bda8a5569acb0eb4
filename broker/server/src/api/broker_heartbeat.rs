//! BrokerHeartbeat: a broker lets the controller hear of it, and hears whether it may lead or stop. One of ours may ask more (`stop.rs`).
//! Decided there. That it was heard of counts from when the request is here, however long the decision waits for its turn or a disk: for its
//! session, and for the failure detector.

use std::time::Duration;

use barnabas_metadata::Heartbeat;
use barnabas_protocol::messages::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use barnabas_protocol::{ErrorCode, own_tags};
use barnabas_types::{BrokerId, Offset};

use super::RequestContext;

mod stop;

/// The request carries no time limit of its own; the next heartbeat follows.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Takes a heartbeat.
pub async fn handle(context: &RequestContext, request: BrokerHeartbeatRequest<'_>) -> BrokerHeartbeatResponse<'static> {
    let (broker, epoch) = (BrokerId(request.broker_id), request.broker_epoch);
    context.node.detection.heard(broker, epoch, context.connection.number);
    let is_fenced = context.node.hear_of(broker, epoch).unwrap_or(true);
    if own_tags::is_pulse(&request.unknown_tags) {
        return pulse(context, is_fenced);
    }
    let deadline = context.node.runtime.deadline(TIMEOUT);
    let refused = |error_code| BrokerHeartbeatResponse { error_code, ..BrokerHeartbeatResponse::default() };
    // A question is no heartbeat: it must not let a broker in that is about to stop.
    if let Some(question) = own_tags::read_stop_question(&request.unknown_tags) {
        return match stop::answer(context, question, (broker, epoch), deadline).await {
            Ok(answer) => BrokerHeartbeatResponse {
                unknown_tags: own_tags::stop_answer(&answer),
                ..BrokerHeartbeatResponse::default()
            },
            Err(code) => refused(code),
        };
    }
    let heartbeat = Heartbeat {
        broker_id: broker,
        broker_epoch: epoch,
        applied_offset: Offset(request.current_metadata_offset),
        want_fence: request.want_fence,
        want_shut_down: request.want_shut_down,
        offline_log_dirs: request.offline_log_dirs,
        cordoned_log_dirs: request.cordoned_log_dirs,
    };
    let decided = context
        .node
        .controller
        .try_decide_committed(deadline, move |controller, decision| controller.heartbeat(decision, &heartbeat));
    match decided.await {
        Ok(Ok(reply)) => BrokerHeartbeatResponse {
            is_caught_up: reply.is_caught_up,
            is_fenced: reply.is_fenced,
            should_shut_down: reply.should_shut_down,
            ..BrokerHeartbeatResponse::default()
        },
        Ok(Err(_)) => refused(ErrorCode::STALE_BROKER_EPOCH),
        Err(error) => refused(error.code()),
    }
}

/// A heartbeat between two others, by which the broker is heard of and nothing else: answered from what this node has applied.
fn pulse(context: &RequestContext, is_fenced: bool) -> BrokerHeartbeatResponse<'static> {
    let error_code = match context.node.is_active_controller() {
        true => ErrorCode::NONE,
        false => ErrorCode::NOT_CONTROLLER,
    };
    BrokerHeartbeatResponse { error_code, is_fenced, ..BrokerHeartbeatResponse::default() }
}
