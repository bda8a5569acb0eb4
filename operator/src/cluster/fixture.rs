//! A cluster for tests: a resource, the world that it lives in, and what the API server and the controllers of Kubernetes
//! would make of what is applied. Tests ask for scenes and never touch constructors.

use crate::broker_client::{Hosted, LiveQuorum, LiveReplica, VoterChange};
use crate::cluster::build::{Built, build};
use crate::cluster::dynamic_config;
use crate::cluster::observe::Observed;
use crate::cluster::plan::{Plan, Step, plan};
use crate::cluster::roll::StopAnswer;
use crate::cluster::status::{Progress, compute};
use crate::cluster::validate::{Invalid, MIN_IN_SYNC_REPLICAS, Resolved, ResolvedPool, Settings, validate};
use crate::crd::kafka_cluster::KafkaCluster;
use crate::k8s::{labels, names};
use barnabas_types::Uuid;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetStatus};
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, Pod, PodCondition, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use kube::api::ObjectMeta;
use serde_json::Value;
use std::collections::BTreeMap;

pub struct Fixture {
    pub cluster: KafkaCluster,
    pub observed: Observed,
    uids: u32,
    pub now_second: i64,
    /// Why brokers may not stop; the others may.
    pub stays: BTreeMap<i32, String>,
}

pub fn settings() -> Settings {
    Settings { broker_image: "barnabas:1".to_owned(), cluster_domain: "cluster.local".to_owned() }
}

impl Fixture {
    /// A resource with this spec, in an empty world.
    pub fn new(spec: &str) -> Self {
        let mut cluster = KafkaCluster::new("demo", serde_yaml::from_str(spec).unwrap());
        cluster.metadata.namespace = Some("shop".to_owned());
        cluster.metadata.uid = Some("01234567-89ab-cdef-0123-456789abcdef".to_owned());
        cluster.metadata.generation = Some(1);
        let mut fixture =
            Self { cluster, observed: Observed::default(), uids: 0, now_second: 0, stays: BTreeMap::new() };
        // A cluster is formed with the minimum of its first controller's file.
        let minimum = fixture.resolve().map_or(1, |resolved| resolved.topic_defaults().min_in_sync_replicas);
        fixture.observed.answers.dynamic = Some([(MIN_IN_SYNC_REPLICAS.to_owned(), minimum.to_string())].into());
        fixture
    }

    /// The same, brought to rest with all its pods ready.
    pub fn running(spec: &str) -> Self {
        let mut fixture = Self::new(spec);
        fixture.settle();
        fixture
    }

    pub fn spec(&mut self, change: impl FnOnce(&mut crate::crd::kafka_cluster::KafkaClusterSpec)) {
        change(&mut self.cluster.spec);
        self.cluster.metadata.generation = self.cluster.metadata.generation.map(|generation| generation + 1);
    }

    pub fn annotate(&mut self, key: &str, value: &str) {
        self.cluster.annotations_mut().insert(key.to_owned(), value.to_owned());
    }

    pub fn resolve(&self) -> Result<Resolved, Invalid> {
        validate(&self.cluster, &self.observed, &settings())
    }

    pub fn build(&self) -> Built {
        build(&self.resolve().unwrap(), &self.observed).unwrap()
    }

    /// What the next pass does, once the brokers have said what they are asked.
    pub fn plan(&self) -> Plan {
        let (resolved, built, mut observed) = (self.resolve().unwrap(), self.build(), self.observed.clone());
        let plan_of = |observed: &Observed| plan(&resolved, &built, observed);
        let first = plan_of(&observed);
        let Some(id) = first.may_stop else { return first };
        observed.answers.stop = Some(StopAnswer { id, refusal: self.stays.get(&id).cloned() });
        plan_of(&observed)
    }

    /// One whole pass: plan, carry out, write the status. Pods do not move by themselves.
    pub fn pass(&mut self) -> Plan {
        let resolved = match self.resolve() {
            Ok(resolved) => resolved,
            Err(invalid) => {
                let status = compute(&self.cluster, &self.observed, &Progress::Refused(&invalid), self.now());
                self.cluster.status = Some(status);
                return Plan::default();
            }
        };
        let plan = self.plan();
        let before = self.observed.clone();
        for step in &plan.steps {
            self.carry_out(step);
        }
        let outcome = crate::cluster::apply::Outcome::default();
        let progress = Progress::Done(&resolved, &plan, &outcome);
        self.cluster.status = Some(compute(&self.cluster, &before, &progress, self.now()));
        plan
    }

    /// The quorum as its leader would describe it: every ready controller follows, on the volume that its claim stands for; the
    /// first of them leads. Voters are those of before, or the first controllers when there was none.
    pub fn quorum_moves(&mut self) {
        let resolved = match self.resolve() {
            Ok(resolved) if !resolved.is_lone() => resolved,
            _ => return,
        };
        let before = self.observed.answers.quorum.take();
        let follows = |id: i32, pool: &ResolvedPool| {
            let pod = self.observed.pod(&pool.stateful_set, &pool.pod(id));
            pod.is_some_and(crate::cluster::observe::is_ready)
        };
        let running: Vec<LiveReplica> = resolved
            .controllers()
            .filter(|(id, pool)| follows(*id, pool))
            .map(|(id, _)| LiveReplica { id, directory_id: self.directory_of(id), caught_up: true, lag: 0 })
            .collect();
        // Without them a lone node had formed its quorum by itself.
        let mut first: Vec<i32> = resolved.initial_controllers.iter().map(|controller| controller.id).collect();
        first.extend(resolved.formed.iter().next().filter(|_| resolved.initial_controllers.is_empty()));
        let voters: Vec<LiveReplica> = match &before {
            Some(quorum) => quorum.voters.clone(),
            None => running.iter().filter(|replica| first.contains(&replica.id)).cloned().collect(),
        };
        let is = |a: &LiveReplica, b: &LiveReplica| (a.id, a.directory_id) == (b.id, b.directory_id);
        let voters: Vec<LiveReplica> = voters
            .into_iter()
            .map(|voter| LiveReplica { caught_up: running.iter().any(|replica| is(replica, &voter)), lag: 5, ..voter })
            .collect();
        let observers =
            running.iter().filter(|replica| !voters.iter().any(|voter| is(voter, replica))).cloned().collect();
        let up: Vec<i32> = voters.iter().filter(|voter| voter.caught_up).map(|voter| voter.id).collect();
        if up.len() <= voters.len() / 2 {
            self.observed.answers.silence = Some("nobody leads".to_owned());
            return;
        }
        let leader = before.map(|quorum| quorum.leader).filter(|leader| up.contains(leader)).unwrap_or(up[0]);
        self.observed.answers.quorum = Some(LiveQuorum { leader, epoch: 1, voters, observers });
    }

    fn directory_of(&self, id: i32) -> Uuid {
        let claim = self.observed.claim_of_node(id).and_then(|claim| claim.uid()).unwrap_or_default();
        Uuid::from_u128(u128::from(claim.rsplit('-').next().and_then(|n| n.parse::<u32>().ok()).unwrap_or_default()))
    }

    /// What a broker holds of the partitions.
    pub fn hosts(&mut self, id: i32, replicas: usize, alone: usize) {
        let hosted = self.observed.answers.hosted.get_or_insert_default();
        hosted.insert(id, Hosted { replicas, alone });
    }

    /// Passes and Kubernetes' own controllers by turns, until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..40 {
            let status = self.cluster.status.clone();
            let plan = self.pass();
            let moved = self.kubernetes_moves(true);
            self.quorum_moves();
            if plan.steps.is_empty() && !moved && status == self.cluster.status {
                return;
            }
        }
        panic!("the cluster never comes to rest; next steps: {:?}", self.plan().steps);
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_second(self.now_second).unwrap()
    }

    fn uid(&mut self) -> String {
        self.uids += 1;
        format!("uid-{}", self.uids)
    }

    pub fn carry_out(&mut self, step: &Step) {
        match step {
            Step::Apply { desired, .. } => self.store(&desired.resource.kind, &desired.name, desired.value.clone()),
            Step::RestartPod { pod, .. } => drop(self.observed.pods.remove(pod)),
            Step::ChangeVoter { change, .. } => self.change_voter(change),
            Step::AlterConfigs { changes } => {
                dynamic_config::carry_out(changes, self.observed.answers.dynamic.as_mut().unwrap());
            }
            Step::UnregisterBroker { id } => drop(self.observed.answers.registered.remove(id)),
            Step::Prune { name, .. } => {
                self.observed.config_maps.remove(name);
                self.observed.services.remove(name);
            }
        }
    }

    /// What the quorum makes of a change of its voters.
    fn change_voter(&mut self, change: &VoterChange) {
        let quorum = self.observed.answers.quorum.as_mut().unwrap();
        match change {
            VoterChange::Add { id, directory_id, .. } => {
                let new = |replica: &LiveReplica| (replica.id, replica.directory_id) == (*id, *directory_id);
                let at = quorum.observers.iter().position(new).unwrap();
                quorum.voters.push(quorum.observers.remove(at));
            }
            VoterChange::Remove { id, directory_id } => {
                quorum.voters.retain(|voter| (voter.id, voter.directory_id) != (*id, *directory_id));
            }
        }
    }

    /// The volume and the pod of a node are gone; Kubernetes makes both anew, and the pod does not come up.
    pub fn lose_volume(&mut self, pod: &str) {
        self.observed.claims.remove(&names::claim(pod));
        self.observed.pods.remove(pod);
        self.pass();
        self.kubernetes_moves(false);
    }

    fn store(&mut self, kind: &str, name: &str, mut value: Value) {
        let live = self.observed.find(kind, name);
        let uid = match live.as_ref().and_then(|live| live.pointer("/metadata/uid").cloned()) {
            Some(uid) => uid,
            None => Value::from(self.uid()),
        };
        value["metadata"]["uid"] = uid;
        let name = name.to_owned();
        match kind {
            "ServiceAccount" => {
                drop(self.observed.service_accounts.insert(name, serde_json::from_value(value).unwrap()))
            }
            "ConfigMap" => drop(self.observed.config_maps.insert(name, serde_json::from_value(value).unwrap())),
            "PodDisruptionBudget" => drop(self.observed.budgets.insert(name, serde_json::from_value(value).unwrap())),
            "PersistentVolumeClaim" => drop(self.observed.claims.insert(name, serde_json::from_value(value).unwrap())),
            "StatefulSet" => drop(self.observed.stateful_sets.insert(name, serde_json::from_value(value).unwrap())),
            "Service" => {
                // The API server picks a port where none is named.
                if value["spec"]["type"] == "NodePort" && value["spec"]["ports"][0]["nodePort"].is_null() {
                    self.uids += 1;
                    value["spec"]["ports"][0]["nodePort"] = Value::from(30_000 + self.uids);
                }
                self.observed.services.insert(name, serde_json::from_value(value).unwrap());
            }
            other => panic!("the operator applied a {other}"),
        }
    }

    /// What the StatefulSet controller and the kubelet do: missing pods appear, surplus ones go. True when something moved.
    pub fn kubernetes_moves(&mut self, pods_become_ready: bool) -> bool {
        let before = self.observed.pods.clone();
        for mut set in self.observed.stateful_sets.clone().into_values() {
            let spec = set.spec.clone().unwrap();
            let first = spec.ordinals.unwrap().start.unwrap();
            let wanted: Vec<i32> = (first..first + spec.replicas.unwrap()).collect();
            let prefix = format!("{}-", set.name_any());
            self.observed
                .pods
                .retain(|name, _| name.strip_prefix(&prefix).is_none_or(|id| wanted.contains(&id.parse().unwrap())));
            for id in &wanted {
                let name = names::pod(&set.name_any(), *id);
                if !self.observed.pods.contains_key(&name) {
                    let pod = self.new_pod(&set, &name, pods_become_ready);
                    self.observed.pods.insert(name.clone(), pod);
                }
                let claim = names::claim(&name);
                if !self.observed.claims.contains_key(&claim) {
                    let mut made = spec.volume_claim_templates.clone().unwrap().remove(0);
                    made.metadata.name = Some(claim.clone());
                    made.metadata.uid = Some(self.uid());
                    made.metadata.labels.clone_from(&spec.selector.match_labels);
                    self.observed.claims.insert(claim, made);
                }
            }
            set.metadata.generation = Some(1);
            set.status = Some(StatefulSetStatus { observed_generation: Some(1), ..StatefulSetStatus::default() });
            self.observed.stateful_sets.insert(set.name_any(), set);
        }
        before != self.observed.pods
    }

    fn new_pod(&mut self, set: &StatefulSet, name: &str, ready: bool) -> Pod {
        let template = set.spec.clone().unwrap().template;
        let owner = OwnerReference { uid: set.uid().unwrap(), controller: Some(true), ..OwnerReference::default() };
        let mut pod = Pod {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                uid: Some(self.uid()),
                owner_references: Some(vec![owner]),
                ..template.metadata.unwrap()
            },
            spec: template.spec,
            status: Some(PodStatus {
                host_ip: Some("10.0.0.1".to_owned()),
                pod_ip: Some("10.1.0.1".to_owned()),
                phase: Some("Running".to_owned()),
                ..PodStatus::default()
            }),
        };
        set_ready(&mut pod, ready);
        pod
    }

    pub fn pod(&mut self, name: &str) -> &mut Pod {
        self.observed.pods.get_mut(name).unwrap()
    }

    pub fn condition(&self, kind: &str) -> Option<(String, String, String)> {
        let status = self.cluster.status.as_ref().unwrap();
        let found = crate::crd::condition::find(&status.conditions, kind)?;
        Some((format!("{:?}", found.status), found.reason.clone(), found.message.clone()))
    }

    /// Status and reason of Ready.
    pub fn ready(&self) -> (String, String) {
        let (status, reason, _) = self.condition("Ready").unwrap();
        (status, reason)
    }
}

pub fn set_ready(pod: &mut Pod, ready: bool) {
    pod.status.as_mut().unwrap().conditions = Some(vec![PodCondition {
        type_: "Ready".to_owned(),
        status: if ready { "True" } else { "False" }.to_owned(),
        ..PodCondition::default()
    }]);
}

/// The broker's container has ended with these words, and waits for this reason.
pub fn crash(pod: &mut Pod, waiting: &str, words: &str) {
    set_ready(pod, false);
    pod.status.as_mut().unwrap().container_statuses = Some(vec![ContainerStatus {
        name: names::BROKER_CONTAINER.to_owned(),
        state: Some(ContainerState {
            waiting: Some(ContainerStateWaiting { reason: Some(waiting.to_owned()), message: None }),
            ..ContainerState::default()
        }),
        last_state: Some(ContainerState {
            terminated: Some(ContainerStateTerminated {
                exit_code: 1,
                message: Some(words.to_owned()),
                ..ContainerStateTerminated::default()
            }),
            ..ContainerState::default()
        }),
        ..ContainerStatus::default()
    }]);
}

/// Kinds and names of what a plan writes.
pub fn applied(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .filter_map(|step| match step {
            Step::Apply { desired, .. } => Some(format!("{} {}", desired.resource.kind, desired.name)),
            _ => None,
        })
        .collect()
}

/// Pods that a plan restarts, with the reason.
pub fn restarted(plan: &Plan) -> Vec<(String, &'static str)> {
    plan.steps
        .iter()
        .filter_map(|step| match step {
            Step::RestartPod { pod, reason, .. } => Some((pod.clone(), reason.name())),
            _ => None,
        })
        .collect()
}

pub const ALLOW_FORMAT: &str = labels::ALLOW_FORMAT;
