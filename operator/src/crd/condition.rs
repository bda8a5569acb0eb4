//! Conditions as every kind of this group reports them, in Kubernetes' own shape. Decides no status: it only knows how a
//! condition is written, compared and carried over.

use k8s_openapi::jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One observation about the object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What is observed: Ready, Reconciling, Stalled and others of the kind.
    #[serde(rename = "type")]
    #[schemars(length(max = 316))]
    pub kind: String,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// The generation of the spec that this observation is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the status last changed, RFC 3339.
    #[schemars(schema_with = "date_time")]
    pub last_transition_time: String,
    /// One stable word that programs may compare.
    #[schemars(length(max = 1024))]
    pub reason: String,
    /// For people: what is the matter and what to do.
    #[schemars(length(max = 32768))]
    pub message: String,
}

/// The three values of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// The observation holds.
    True,
    /// It does not.
    False,
    /// Nobody has looked yet.
    Unknown,
}

fn date_time(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "format": "date-time" })
}

/// What a controller wants to say; time and generation are added when it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The condition's type.
    pub kind: &'static str,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// A stable word.
    pub reason: String,
    /// A sentence or two.
    pub message: String,
}

impl Observation {
    /// The condition holds.
    pub fn holds(kind: &'static str, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, status: ConditionStatus::True, reason: reason.into(), message: message.into() }
    }

    /// The condition does not hold.
    pub fn fails(kind: &'static str, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, status: ConditionStatus::False, reason: reason.into(), message: message.into() }
    }
}

/// The longest message that is written: a broker's last words may be long, a status object must stay small.
const MESSAGE_MAX_CHARS: usize = 1024;

/// Turns observations into conditions. The transition time moves only when the status flips, so that a steady state compares equal.
pub fn conditions(
    previous: &[Condition],
    observations: Vec<Observation>,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    observations
        .into_iter()
        .map(|observation| {
            let unchanged = previous.iter().find(|c| c.kind == observation.kind && c.status == observation.status);
            Condition {
                kind: observation.kind.to_owned(),
                status: observation.status,
                observed_generation: generation,
                last_transition_time: unchanged
                    .map_or_else(|| seconds_of(now).to_string(), |c| c.last_transition_time.clone()),
                reason: observation.reason,
                message: observation.message.chars().take(MESSAGE_MAX_CHARS).collect(),
            }
        })
        .collect()
}

/// Kubernetes keeps whole seconds; writing more would read back differently.
fn seconds_of(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Finds a condition by its type.
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.kind == kind)
}

/// The transitions worth an event: a condition that appeared with True, or whose status or reason changed.
pub fn transitions<'a>(previous: &[Condition], current: &'a [Condition]) -> Vec<&'a Condition> {
    let changed = |condition: &Condition| match find(previous, &condition.kind) {
        None => condition.status != ConditionStatus::False,
        Some(old) => old.status != condition.status || old.reason != condition.reason,
    };
    current.iter().filter(|condition| changed(condition)).collect()
}

/// The conditions' names.
pub mod kind {
    /// The object does what its spec asks for.
    pub const READY: &str = "Ready";
    /// Work is under way (kstatus: in progress).
    pub const RECONCILING: &str = "Reconciling";
    /// Only a person can help (kstatus: failed).
    pub const STALLED: &str = "Stalled";
    /// A node that was formed once has no data now.
    pub const DATA_MISSING: &str = "DataMissing";
    /// A restart that is due has waited for long; before that it is there and does not hold.
    pub const ROLL_BLOCKED: &str = "RollBlocked";
    /// The quorum has the voters that the spec asks for, and all of them keep up.
    pub const QUORUM_READY: &str = "QuorumReady";
    /// Volumes have the size and class that the spec asks for.
    pub const STORAGE_READY: &str = "StorageReady";
    /// Reconciliation is paused by annotation.
    pub const PAUSED: &str = "Paused";
    /// The group lags more than its spec allows.
    pub const LAG_EXCEEDED: &str = "LagExceeded";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_moves_only_when_the_status_flips() {
        let first =
            conditions(&[], vec![Observation::fails(kind::READY, "PodsNotReady", "1 of 1 not ready")], Some(1), at(10));
        let second =
            conditions(&first, vec![Observation::fails(kind::READY, "RollingPods", "other words")], Some(2), at(20));
        assert_eq!(first[0].last_transition_time, second[0].last_transition_time);
        assert_eq!(second[0].observed_generation, Some(2));
        let third = conditions(&second, vec![Observation::holds(kind::READY, "Ready", "")], Some(2), at(30));
        assert_eq!(third[0].last_transition_time, "1970-01-01T00:00:30Z");
    }

    #[test]
    fn only_changed_conditions_make_events() {
        let old = conditions(&[], vec![Observation::holds(kind::READY, "Ready", "")], Some(1), at(0));
        assert!(transitions(&old, &old).is_empty());
        let new = conditions(
            &old,
            vec![Observation::fails(kind::READY, "PodsNotReady", ""), Observation::fails(kind::STORAGE_READY, "X", "")],
            Some(1),
            at(1),
        );
        assert_eq!(transitions(&old, &new).iter().map(|c| c.kind.as_str()).collect::<Vec<_>>(), ["Ready"]);
    }
}
