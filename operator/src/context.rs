//! What every controller shares: the client, metrics, events, and the memory of failures. Decides only how long to wait after
//! one; knows no kind.

use crate::broker_client::Brokers;
use crate::cluster::Settings;
use crate::crd::condition::{Condition, ConditionStatus, kind};
use crate::metrics::Metrics;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::Api;
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The field manager of statuses: another one than that of objects, so that applying one never drops the other's fields.
pub const STATUS_MANAGER: &str = "barnabas-operator-status";
/// One pass of one resource may take this long; then others get their turn.
pub const PASS_TIMEOUT: Duration = Duration::from_secs(60);
/// Waits after failures: the first, and the longest.
const FIRST_RETRY_MS: u64 = 500;
const LONGEST_RETRY_MS: u64 = 300_000;
pub const LONGEST_RETRY: Duration = Duration::from_millis(LONGEST_RETRY_MS);
/// Failing resources that are remembered.
const MAX_FAILURES: usize = 10_000;

/// Shared by all controllers of the process.
pub struct Context {
    pub client: Client,
    /// The only namespace to look at; all when there is none.
    pub namespace: Option<String>,
    pub settings: Settings,
    pub recorder: Recorder,
    pub metrics: Arc<Metrics>,
    pub brokers: Arc<dyn Brokers>,
    /// Failures in a row, by controller, namespace and name. At most [`MAX_FAILURES`].
    failures: Mutex<BTreeMap<String, u32>>,
}

/// Why a pass has to be done again.
#[derive(Debug, thiserror::Error)]
pub enum Retry<E: std::error::Error + 'static> {
    #[error("{0}")]
    Failed(#[source] E),
    #[error("the pass took longer than {} s; the API server or the brokers are slow", .0.as_secs())]
    TimedOut(Duration),
}

impl Context {
    pub fn new(
        client: Client,
        namespace: Option<String>,
        settings: Settings,
        recorder: Recorder,
        metrics: Arc<Metrics>,
        brokers: Arc<dyn Brokers>,
    ) -> Self {
        Self { client, namespace, settings, recorder, metrics, brokers, failures: Mutex::default() }
    }

    /// The objects of a kind that this operator looks at.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }

    /// Runs one pass with a deadline, counts it, and forgets earlier failures when it succeeds.
    ///
    /// # Errors
    /// The pass failed or took too long.
    pub async fn measured<K, E, F>(
        &self,
        controller: &'static str,
        object: &K,
        deadline: Duration,
        step: fn(&E) -> &'static str,
        pass: F,
    ) -> Result<Action, Retry<E>>
    where
        K: Resource,
        E: std::error::Error + 'static,
        F: Future<Output = Result<Action, E>>,
    {
        let timer = self.metrics.start(controller);
        let result = match tokio::time::timeout(deadline, pass).await {
            Ok(result) => result.map_err(Retry::Failed),
            Err(_) => Err(Retry::TimedOut(deadline)),
        };
        let failed_step = result.as_ref().err().map(|error| match error {
            Retry::Failed(error) => step(error),
            Retry::TimedOut(_) => "TimedOut",
        });
        timer.finish(failed_step);
        if failed_step.is_none() {
            self.forget(controller, object);
        }
        result
    }

    /// How long to wait after a failure of this object: twice as long each time.
    pub fn retry_after<K: Resource>(&self, controller: &'static str, object: &K, error: &dyn fmt::Display) -> Action {
        self.retry_within(controller, object, error, LONGEST_RETRY)
    }

    /// The same, and never longer than `longest`: for a pass that did the rest of what was due.
    pub fn retry_within<K: Resource>(
        &self,
        controller: &'static str,
        object: &K,
        error: &dyn fmt::Display,
        longest: Duration,
    ) -> Action {
        let key = key(controller, object);
        let attempt = {
            let mut failures = self.failures();
            // Nobody tells us of a failing resource that is deleted. Forgetting all costs a few early retries.
            if failures.len() >= MAX_FAILURES {
                failures.clear();
            }
            let attempt = failures.entry(key.clone()).or_insert(0);
            *attempt = attempt.saturating_add(1);
            *attempt
        };
        let wait = backoff(attempt, &key).min(longest);
        tracing::warn!(%error, object = key, attempt, wait_ms = wait.as_millis(), "reconcile failed, will try again");
        Action::requeue(wait)
    }

    /// Forgets an object's failures.
    pub fn forget<K: Resource>(&self, controller: &'static str, object: &K) {
        self.failures().remove(&key(controller, object));
    }

    // A map of counters is whole at every moment: a panic elsewhere does not spoil it.
    fn failures(&self) -> MutexGuard<'_, BTreeMap<String, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The body of a server-side apply that sets a status and nothing else.
    pub fn status_patch<K>(&self, object: &K, status: &impl Serialize) -> Value
    where
        K: Resource<DynamicType = ()>,
    {
        json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": { "name": object.name_any() },
            "status": status,
        })
    }

    /// An event that a person may want to see. Failing to write one is no reason to stop.
    pub async fn event(&self, about: &ObjectReference, normal: bool, reason: &str, action: &str, note: String) {
        let event = Event {
            type_: if normal { EventType::Normal } else { EventType::Warning },
            reason: reason.to_owned(),
            note: Some(note.chars().take(1024).collect()),
            action: action.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, about).await {
            tracing::debug!(%error, reason, "an event was not written");
        }
    }

    /// The event of a condition that changed.
    pub async fn condition_event(&self, about: &ObjectReference, condition: &Condition) {
        let abnormal_when_true = [kind::STALLED, kind::DATA_MISSING, kind::ROLL_BLOCKED, kind::LAG_EXCEEDED];
        if condition.kind == kind::RECONCILING {
            return;
        }
        let normal = match condition.status {
            ConditionStatus::True => !abnormal_when_true.contains(&condition.kind.as_str()),
            ConditionStatus::False => is_in_progress(&condition.reason),
            ConditionStatus::Unknown => true,
        };
        let note = format!("{} is {:?}: {}", condition.kind, condition.status, condition.message);
        self.event(about, normal, &condition.reason, "Reconcile", note).await;
    }
}

/// Not being ready on the way to being ready is nothing to warn of.
fn is_in_progress(reason: &str) -> bool {
    [
        "NodesNotReady",
        "PortsPending",
        "RollingUpdate",
        "ScaledToZero",
        "ClusterNotReady",
        "NodesLeaving",
        "QuorumForming",
        "VotersChanging",
    ]
    .contains(&reason)
}

fn key<K: Resource>(controller: &'static str, object: &K) -> String {
    format!("{controller}/{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// Doubles with each failure up to five minutes. A quarter of it depends on the object, so that many objects that failed
/// together do not come back together.
fn backoff(attempt: u32, key: &str) -> Duration {
    let doubled = FIRST_RETRY_MS.saturating_mul(1_u64 << attempt.saturating_sub(1).min(20)).min(LONGEST_RETRY_MS);
    let spread = key.bytes().fold(u64::from(attempt), |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Duration::from_millis(doubled - spread % (doubled / 4).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let waits: Vec<u128> = (1..14).map(|attempt| backoff(attempt, "a").as_millis()).collect();
        assert!(waits.windows(2).all(|pair| pair[1] >= pair[0] * 5 / 4 || pair[1] >= 225_000), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= 300_000));
        assert!(backoff(u32::MAX, "a") <= Duration::from_secs(300));
    }

    #[test]
    fn objects_that_fail_together_come_back_apart() {
        let waits: std::collections::BTreeSet<Duration> = (0..50).map(|i| backoff(8, &format!("t{i}"))).collect();
        assert!(waits.len() > 40, "only {} different waits", waits.len());
    }
}
