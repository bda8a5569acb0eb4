//! Carries out a plan: server-side apply, deletes with the uid that was observed, brokers configured, votes changed by the quorum's leader. Decides
//! nothing but whether an object may be touched at all.

use crate::broker_client::{Brokers, ConfigChanges, VoterChange};
use crate::cluster::build::SERVER_FILE;
use crate::cluster::dynamic_config;
use crate::cluster::error::ClusterError;
use crate::cluster::observe::Observed;
use crate::cluster::plan::{Plan, PruneKind, Step};
use crate::cluster::roll::Restart;
use crate::k8s::desired::Desired;
use crate::k8s::labels;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::{Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Debug;

/// The field manager of all that this operator applies. It never changes: fields would be left with their old owner.
pub const FIELD_MANAGER: &str = "barnabas-operator";

/// What was done, and what could not be.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Kind and name of what was written.
    pub applied: Vec<(String, String)>,
    /// Pods that were restarted.
    pub restarted: Vec<(String, Restart)>,
    /// What was set on all brokers at run time.
    pub configs_altered: Option<ConfigChanges>,
    /// Changes of who votes, and brokers that were forgotten, in words for events.
    pub quorum_changes: Vec<QuorumChange>,
    /// Claims that could not be written; the rest went on.
    pub claim_failures: Vec<ClusterError>,
    /// A vote that could not be changed, a broker that could not be forgotten; the rest went on.
    pub quorum_failures: Vec<ClusterError>,
    /// Configurations of all brokers that could not be set because nobody answered; the rest went on.
    pub config_failures: Vec<ClusterError>,
    /// Some claim that differs was not tried, because a step before it ended the pass.
    pub claims_untried: bool,
    /// What keeps the cluster from being as it should: the step that ended the pass, or a configuration that brokers refuse.
    pub failure: Option<ClusterError>,
}

/// Who carries out one step.
pub trait Acts {
    /// Does it, and writes down what was done.
    fn act(
        &self,
        step: &Step,
        observed: &Observed,
        outcome: &mut Outcome,
    ) -> impl Future<Output = Result<(), ClusterError>> + Send;
}

/// Executes the steps in order. What brokers refuse to be set must not reach their files; everything else goes on.
pub async fn run(acts: &impl Acts, plan: &Plan, observed: &Observed) -> Outcome {
    let mut outcome = Outcome::default();
    let mut refused = Refused::default();
    for (index, step) in plan.steps.iter().enumerate() {
        if outcome.failure.is_some() && refused.holds_back(step, observed) {
            continue;
        }
        let Err(error) = acts.act(step, observed, &mut outcome).await else { continue };
        match step {
            Step::ChangeVoter { .. } | Step::UnregisterBroker { .. } => outcome.quorum_failures.push(error),
            Step::AlterConfigs { .. } if error.needs_a_person() => outcome.failure = Some(error),
            Step::AlterConfigs { .. } => outcome.config_failures.push(error),
            step if !step.is_essential() => outcome.claim_failures.push(error),
            _ => {
                let mut rest = plan.steps.iter().skip(index + 1);
                outcome.claims_untried = rest.any(|step| matches!(step, Step::Apply { essential: false, .. }));
                outcome.failure.get_or_insert(error);
                break;
            }
        }
    }
    outcome
}

/// The configuration that brokers refused: ConfigMaps with it that are not there yet.
#[derive(Default)]
struct Refused {
    config_maps: BTreeSet<String>,
}

impl Refused {
    /// Whether the step would bring it to a pod. Steps come in the order in which objects refer to each other.
    fn holds_back(&mut self, step: &Step, observed: &Observed) -> bool {
        match step {
            Step::Apply { desired, .. } if desired.resource.kind == "ConfigMap" => {
                let is_new = !observed.config_maps.contains_key(&desired.name);
                let held = is_new && desired.value.pointer("/data").is_some_and(|data| data.get(SERVER_FILE).is_some());
                if held {
                    self.config_maps.insert(desired.name.clone());
                }
                held
            }
            Step::Apply { desired, .. } if desired.resource.kind == "StatefulSet" => {
                let volumes = desired.value.pointer("/spec/template/spec/volumes").and_then(Value::as_array);
                let mut mounted =
                    volumes.into_iter().flatten().filter_map(|volume| volume.pointer("/configMap/name")?.as_str());
                mounted.any(|name| self.config_maps.contains(name))
            }
            // A pod would be made anew from a template that is on its way.
            Step::RestartPod { .. } => true,
            Step::Apply { .. }
            | Step::AlterConfigs { .. }
            | Step::ChangeVoter { .. }
            | Step::UnregisterBroker { .. }
            | Step::Prune { .. } => false,
        }
    }
}

/// What was done to the quorum: an event's reason and words.
#[derive(Debug)]
pub struct QuorumChange {
    pub reason: &'static str,
    pub note: String,
}

/// Who applies, and for which resource.
pub struct Applier<'a> {
    pub client: &'a Client,
    pub brokers: &'a dyn Brokers,
    /// Where clients connect first.
    pub bootstrap: Option<&'a str>,
    pub namespace: &'a str,
    /// The KafkaCluster's name and uid.
    pub cluster: &'a str,
    pub uid: &'a str,
}

impl Acts for Applier<'_> {
    async fn act(&self, step: &Step, observed: &Observed, outcome: &mut Outcome) -> Result<(), ClusterError> {
        match step {
            Step::Apply { desired, .. } => {
                self.apply(desired, observed).await?;
                outcome.applied.push((desired.resource.kind.clone(), desired.name.clone()));
            }
            Step::AlterConfigs { changes } => {
                self.alter_configs(changes).await?;
                outcome.configs_altered = Some(changes.clone());
            }
            Step::RestartPod { pod, uid, reason } => {
                self.delete::<Pod>("Pod", pod, uid).await?;
                outcome.restarted.push((pod.clone(), *reason));
            }
            Step::ChangeVoter { leader, change } => {
                outcome.quorum_changes.push(self.change_voter(leader, change).await?)
            }
            Step::UnregisterBroker { id } => outcome.quorum_changes.push(self.unregister(*id).await?),
            Step::Prune { kind: PruneKind::ConfigMap, name, uid } => {
                self.delete::<ConfigMap>("ConfigMap", name, uid).await?
            }
            Step::Prune { kind: PruneKind::Service, name, uid } => self.delete::<Service>("Service", name, uid).await?,
        }
        Ok(())
    }
}

impl Applier<'_> {
    async fn apply(&self, desired: &Desired, observed: &Observed) -> Result<(), ClusterError> {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), self.namespace, &desired.resource);
        let kind = || desired.resource.kind.clone();
        let failed =
            |source| ClusterError::Apply { kind: kind(), name: desired.name.clone(), source: Box::new(source) };
        // What was observed carries our label. Anything else under this name may be somebody else's.
        let live = match observed.find(&desired.resource.kind, &desired.name) {
            Some(value) => serde_json::from_value(value).ok(),
            None => api.get_opt(&desired.name).await.map_err(failed)?,
        };
        if live.is_some_and(|live: DynamicObject| !self.may_touch(&live)) {
            return Err(ClusterError::NameTaken { kind: kind(), name: desired.name.clone() });
        }
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        api.patch(&desired.name, &parameters, &Patch::Apply(&desired.value)).await.map_err(failed)?;
        tracing::info!(kind = desired.resource.kind, name = desired.name, namespace = self.namespace, "applied");
        Ok(())
    }

    async fn change_voter(&self, leader: &str, change: &VoterChange) -> Result<QuorumChange, ClusterError> {
        let (reason, note) = match change {
            VoterChange::Add { id, directory_id, .. } => {
                ("VoterAdded", format!("node {id} votes with its directory {directory_id}"))
            }
            VoterChange::Remove { id, directory_id } => {
                ("VoterRemoved", format!("node {id} with its directory {directory_id} votes no more"))
            }
        };
        let failed = |source| ClusterError::Quorum { what: note.clone(), source };
        self.brokers.client(leader).map_err(failed)?.change_voter(change).await.map_err(failed)?;
        tracing::info!(reason, note, namespace = self.namespace, cluster = self.cluster, "the quorum was changed");
        Ok(QuorumChange { reason, note })
    }

    async fn unregister(&self, id: i32) -> Result<QuorumChange, ClusterError> {
        let note = format!("broker {id} has left and is forgotten");
        let failed = |source| ClusterError::Quorum { what: note.clone(), source };
        self.brokers
            .client(self.bootstrap.unwrap_or_default())
            .map_err(failed)?
            .unregister_broker(id)
            .await
            .map_err(failed)?;
        Ok(QuorumChange { reason: "BrokerUnregistered", note })
    }

    async fn alter_configs(&self, changes: &ConfigChanges) -> Result<(), ClusterError> {
        let failed = |source| ClusterError::AlterConfigs { source };
        let client = self.brokers.client(self.bootstrap.unwrap_or_default()).map_err(failed)?;
        client.alter_dynamic_configs(changes).await.map_err(failed)?;
        let changes = dynamic_config::in_words(changes);
        tracing::info!(changes, namespace = self.namespace, cluster = self.cluster, "set on all brokers");
        Ok(())
    }

    /// Ours are objects with this cluster's label that no other object controls.
    fn may_touch(&self, live: &DynamicObject) -> bool {
        let labelled = live.labels().get(labels::CLUSTER).is_some_and(|cluster| cluster == self.cluster);
        // A claim that the StatefulSet made has the selector's labels and no owner.
        let controlled_by_another =
            live.owner_references().iter().any(|owner| owner.controller == Some(true) && owner.uid != self.uid);
        labelled && !controlled_by_another
    }

    /// Deletes the very object that was observed, not one that took its name since.
    async fn delete<K>(&self, kind: &'static str, name: &str, uid: &str) -> Result<(), ClusterError>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), self.namespace);
        let parameters = DeleteParams {
            propagation_policy: Some(PropagationPolicy::Background),
            preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
            ..DeleteParams::default()
        };
        match api.delete(name, &parameters).await {
            Ok(_) => {
                tracing::info!(kind, name, namespace = self.namespace, "deleted");
                Ok(())
            }
            // Gone already, or another object by now: observe again.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
            Err(source) => Err(ClusterError::Delete { kind, name: name.to_owned(), source: Box::new(source) }),
        }
    }
}

#[cfg(test)]
mod tests;
