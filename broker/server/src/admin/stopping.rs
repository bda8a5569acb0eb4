//! What an operator asks before it stops this broker, and after it has started it: `/permits/stop` and `/caught-up`. Answers in JSON what the
//! active controller says; stops nothing.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use barnabas_metadata::CatchingUp;
use barnabas_protocol::own_tags::{NeedingPartition, StopAnswer, StopOutcome, StopQuestion};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::response;
use crate::metadata::{Aged, BrokerLife, reason_to_stay};

/// The permit to stop.
pub(crate) const PERMIT: &str = "/permits/stop";
/// How far the broker has come.
pub(crate) const CAUGHT_UP: &str = "/caught-up";

const JSON: &str = "application/json";
/// How long the controller is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The broker of this node, once it is registered.
pub type RegisteredBroker = Arc<OnceLock<BrokerLife>>;

/// Answers `method` on one of the paths here; None where they do not take it.
pub(crate) async fn answer(
    broker: &RegisteredBroker,
    method: &Method,
    path: &str,
    deadline: impl Fn(Duration) -> Instant,
) -> Option<Response<Full<Bytes>>> {
    let question = match (method, path) {
        (&Method::POST, PERMIT) => Some(StopQuestion::MayIStop),
        (&Method::DELETE, PERMIT) => Some(StopQuestion::IStay),
        (&Method::GET, CAUGHT_UP) => None,
        _ => return None,
    };
    let Some(life) = broker.get() else {
        let reason = "this node has no broker, or none that is registered yet";
        return Some(in_json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": reason })));
    };
    let deadline = deadline(PATIENCE);
    let told = match question {
        Some(question) => life.ask(question, deadline).await.map(|asked| permit(question, &asked)),
        None => life.catching_up(deadline).await.map(|asked| caught_up(&asked)),
    };
    let (status, body) = told.unwrap_or_else(|error| {
        // Without a controller that has its quorum there is no permit.
        let body = json!({ "error": error.to_string(), "granted": false, "caughtUp": false });
        (StatusCode::SERVICE_UNAVAILABLE, body)
    });
    Some(in_json(status, &body))
}

fn in_json(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    response(status, JSON, format!("{body}\n").into())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn permit(question: StopQuestion, asked: &Aged<StopAnswer<'static>>) -> (StatusCode, Value) {
    let answer = &asked.answer;
    let (metadata_offset, age_ms) = (asked.metadata_end.0.saturating_sub(1), milliseconds(asked.age));
    if question == StopQuestion::IStay {
        let body = json!({ "released": true, "metadataOffset": metadata_offset, "ageMs": age_ms });
        return (StatusCode::OK, body);
    }
    let Some(message) = reason_to_stay(answer) else {
        let body = json!({
            "granted": true, "expiresInMs": answer.for_ms, "metadataOffset": metadata_offset, "ageMs": age_ms,
        });
        return (StatusCode::OK, body);
    };
    let reason = match StopOutcome::from_id(answer.outcome) {
        StopOutcome::Needed => "PartitionsNeedIt",
        StopOutcome::Held => "AnotherBrokerStops",
        StopOutcome::MayBeHeld => "ControllerIsNew",
        StopOutcome::Granted | StopOutcome::Unknown => "Unknown",
    };
    let partitions: Vec<Value> = answer.partitions.iter().map(needing).collect();
    let body = json!({
        "granted": false,
        "reason": reason,
        "message": message,
        "heldBy": (answer.held_by >= 0).then_some(answer.held_by),
        "retryInMs": (answer.for_ms > 0).then_some(answer.for_ms),
        "partitions": partitions,
        "partitionCount": answer.partition_count,
        "metadataOffset": metadata_offset,
        "ageMs": age_ms,
    });
    (StatusCode::CONFLICT, body)
}

fn needing(partition: &NeedingPartition<'_>) -> Value {
    let (reason, min_isr) = match partition.min_isr {
        0 => ("LosesLeader", None),
        min_isr => ("FallsBelowMinIsr", Some(min_isr)),
    };
    json!({
        "topic": partition.topic, "partition": partition.partition, "isr": partition.isr, "reason": reason,
        "minInsyncReplicas": min_isr,
    })
}

fn caught_up(asked: &Aged<CatchingUp>) -> (StatusCode, Value) {
    let CatchingUp { is_fenced, behind, behind_count } = &asked.answer;
    let behind: Vec<Value> =
        behind.iter().map(|(topic, partition)| json!({ "topic": **topic, "partition": partition })).collect();
    let body = json!({
        "caughtUp": asked.answer.is_caught_up(),
        "fenced": is_fenced,
        "partitions": behind,
        "partitionCount": behind_count,
        "metadataOffset": asked.metadata_end.0.saturating_sub(1),
        "ageMs": milliseconds(asked.age),
    });
    (StatusCode::OK, body)
}
