//! What goes on when a step is refused.

use super::*;
use crate::broker_client::BrokerError;
use crate::cluster::fixture::{Fixture, set_ready};
use crate::cluster::status::{Progress, compute};
use barnabas_protocol::ErrorCode;
use futures::FutureExt as _;
use std::sync::Mutex;

/// A world that refuses some steps and remembers the others, in short.
struct Refusing {
    refuses: fn(&Step) -> Option<ClusterError>,
    done: Mutex<Vec<String>>,
}

impl Acts for Refusing {
    async fn act(&self, step: &Step, _: &Observed, _: &mut Outcome) -> Result<(), ClusterError> {
        if let Some(error) = (self.refuses)(step) {
            return Err(error);
        }
        self.done.lock().unwrap().push(match step {
            Step::Apply { desired, .. } => format!("{} {}", desired.resource.kind, desired.name),
            Step::ChangeVoter { .. } => "vote".to_owned(),
            other => format!("{other:?}"),
        });
        Ok(())
    }
}

fn carried_out(fixture: &Fixture, refuses: fn(&Step) -> Option<ClusterError>) -> (Vec<String>, Outcome) {
    let world = Refusing { refuses, done: Mutex::default() };
    let outcome = run(&world, &fixture.plan(), &fixture.observed).now_or_never().unwrap();
    (world.done.into_inner().unwrap(), outcome)
}

fn refuses_configs(step: &Step) -> Option<ClusterError> {
    let refused = BrokerError::Refused { what: "set".to_owned(), code: ErrorCode::INVALID_CONFIG, message: None };
    matches!(step, Step::AlterConfigs { .. }).then_some(ClusterError::AlterConfigs { source: refused })
}

fn storage(fixture: &Fixture, outcome: &Outcome) -> (String, String) {
    let (resolved, plan) = (fixture.resolve().unwrap(), fixture.plan());
    let progress = Progress::Done(&resolved, &plan, outcome);
    let status = compute(&fixture.cluster, &fixture.observed, &progress, fixture.now());
    let found = status.conditions.into_iter().find(|condition| condition.kind == "StorageReady").unwrap();
    (format!("{:?}", found.status), found.reason)
}

/// Three nodes of which one is to get a vote back, another size of volumes, and a value that brokers refuse.
fn to_be_mended() -> Fixture {
    let mut fixture = Fixture::running("{replicas: 3}");
    set_ready(fixture.pod("demo-broker-2"), true);
    let quorum = fixture.observed.answers.quorum.as_mut().unwrap();
    quorum.observers.push(quorum.voters.remove(2));
    fixture.observed.budgets.clear();
    fixture.spec(|spec| {
        spec.config.insert("min.insync.replicas".to_owned(), serde_yaml::from_str("0").unwrap());
        spec.storage = serde_yaml::from_str("{size: 90Gi}").unwrap();
    });
    fixture
}

#[test]
fn a_value_that_brokers_refuse_holds_back_the_files_that_say_it_and_nothing_else() {
    let (done, outcome) = carried_out(&to_be_mended(), refuses_configs);
    assert_eq!(outcome.failure.as_ref().map(ClusterError::step), Some("ConfigRefused"));
    let claims = (0..3).map(|id| format!("PersistentVolumeClaim data-demo-broker-{id}"));
    let budget = "PodDisruptionBudget demo".to_owned();
    assert_eq!(done, claims.chain([budget, "vote".to_owned()]).collect::<Vec<_>>());
    assert!(!outcome.claims_untried);
}

#[test]
fn a_value_that_brokers_take_brings_everything() {
    let (done, outcome) = carried_out(&to_be_mended(), |_| None);
    assert!(outcome.failure.is_none());
    for part in ["AlterConfigs", "ConfigMap demo-config-", "StatefulSet demo-broker"] {
        assert!(done.iter().any(|act| act.starts_with(part)), "{part}: {done:?}");
    }
}

#[test]
fn volumes_that_nobody_tried_are_not_told_to_be_as_they_should() {
    let mut fixture = to_be_mended();
    let claim_refused = |step: &Step| {
        let essential = matches!(step, Step::Apply { essential: false, .. });
        essential.then(|| ClusterError::NameTaken { kind: "PersistentVolumeClaim".to_owned(), name: "data".to_owned() })
    };
    let (_, outcome) = carried_out(&fixture, claim_refused);
    let refused = ("False".to_owned(), "ClaimRefused".to_owned());
    assert_eq!(storage(&fixture, &outcome), refused);
    let (resolved, plan) = (fixture.resolve().unwrap(), fixture.plan());
    let progress = Progress::Done(&resolved, &plan, &outcome);
    fixture.cluster.status = Some(compute(&fixture.cluster, &fixture.observed, &progress, fixture.now()));
    fixture.observed.service_accounts.clear();
    let nothing = |step: &Step| {
        let foundation = matches!(step, Step::Apply { essential: true, .. });
        foundation.then(|| ClusterError::NameTaken { kind: "ServiceAccount".to_owned(), name: "demo".to_owned() })
    };
    let (done, outcome) = carried_out(&fixture, nothing);
    assert_eq!(done, Vec::<String>::new());
    assert_eq!(storage(&fixture, &outcome), refused, "it is as it was");
}
