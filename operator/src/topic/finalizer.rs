//! When deleting a Topic deletes the topic, and when the resource is let go without. The decision is pure. It never holds on to
//! a resource whose cluster is gone: that would keep its namespace from ever being deleted.

use crate::cluster_lookup::Cluster;
use crate::context::Context;
use crate::crd::topic::{DeletionPolicy, Topic};
use crate::k8s::labels;
use crate::topic::TopicError;
use kube::ResourceExt as _;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

/// What to do about the finalizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finalizer {
    /// It is as it should be, and the resource is not being deleted.
    Keep,
    /// Deleting the resource will have to delete the topic.
    Add,
    /// Let go.
    Remove { reason: &'static str },
    /// Delete the topic, then let go.
    DeleteTopic { bootstrap: String },
    /// The brokers have to be asked, and cannot be now.
    Wait,
    /// The topic would have to be deleted, and the user has said that nothing is to be changed.
    Paused,
}

/// Decides.
pub fn decide(topic: &Topic, cluster: &Cluster, taken_by_another: bool) -> Finalizer {
    let held = topic.finalizers().iter().any(|finalizer| finalizer == labels::TOPIC_FINALIZER);
    let deletes = topic.spec.deletion_policy == DeletionPolicy::Delete;
    if topic.metadata.deletion_timestamp.is_none() {
        return match (held, deletes) {
            (false, true) => Finalizer::Add,
            (true, false) => Finalizer::Remove { reason: "deletionPolicy is Retain" },
            (true, true) | (false, false) => Finalizer::Keep,
        };
    }
    if !held {
        return Finalizer::Remove { reason: "the topic was let go already" };
    }
    if !deletes {
        return Finalizer::Remove { reason: "deletionPolicy is Retain: the topic stays" };
    }
    if taken_by_another {
        return Finalizer::Remove { reason: "the topic belongs to an older resource and stays" };
    }
    match cluster {
        Cluster::Missing => Finalizer::Remove { reason: "the cluster is gone, and the topic with it" },
        Cluster::Terminating => Finalizer::Remove { reason: "the cluster is being deleted" },
        Cluster::NotReady { formed: false } => Finalizer::Remove { reason: "the cluster never held the topic" },
        Cluster::NotReady { formed: true } => Finalizer::Wait,
        Cluster::Ready { .. } if labels::is_paused(topic) => Finalizer::Paused,
        Cluster::Ready { bootstrap, .. } => Finalizer::DeleteTopic { bootstrap: bootstrap.clone() },
    }
}

/// Adds or removes our finalizer and leaves those of others alone.
///
/// # Errors
/// The API server refused, or somebody changed the resource at the same time.
pub async fn write(topic: &Topic, add: bool, context: &Context) -> Result<(), TopicError> {
    let mut finalizers: Vec<String> = topic.finalizers().to_vec();
    finalizers.retain(|finalizer| finalizer != labels::TOPIC_FINALIZER);
    if add {
        finalizers.push(labels::TOPIC_FINALIZER.to_owned());
    }
    if finalizers.as_slice() == topic.finalizers() {
        return Ok(());
    }
    let api: Api<Topic> = Api::namespaced(context.client.clone(), &topic.namespace().unwrap_or_default());
    // The resource version makes this fail when another finalizer came or went since.
    let patch = json!({ "metadata": { "finalizers": finalizers, "resourceVersion": topic.resource_version() } });
    match api.patch(&topic.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(source) => Err(TopicError::Finalizer { source: Box::new(source) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    fn topic(policy: &str, deleted: bool) -> Topic {
        let spec = format!("{{clusterRef: {{name: c}}, deletionPolicy: {policy}}}");
        let mut topic = Topic::new("orders", serde_yaml::from_str(&spec).unwrap());
        topic.metadata.finalizers = Some(vec![labels::TOPIC_FINALIZER.to_owned()]);
        topic.metadata.deletion_timestamp = deleted.then_some(Time(Timestamp::UNIX_EPOCH));
        topic
    }

    #[test]
    fn a_resource_is_let_go_whenever_its_cluster_can_no_longer_answer() {
        for cluster in [Cluster::Missing, Cluster::Terminating, Cluster::NotReady { formed: false }] {
            let decision = decide(&topic("Delete", true), &cluster, false);
            assert!(matches!(decision, Finalizer::Remove { .. }), "{cluster:?}: {decision:?}");
        }
        assert_eq!(decide(&topic("Delete", true), &Cluster::NotReady { formed: true }, false), Finalizer::Wait);
    }

    #[test]
    fn the_topic_is_deleted_only_when_the_policy_says_so_and_it_is_ours() {
        let ready = Cluster::Ready { bootstrap: "b:1".to_owned(), brokers: 1 };
        let delete = Finalizer::DeleteTopic { bootstrap: "b:1".to_owned() };
        assert_eq!(decide(&topic("Delete", true), &ready, false), delete);
        assert!(matches!(decide(&topic("Delete", true), &ready, true), Finalizer::Remove { .. }));
        assert!(matches!(decide(&topic("Retain", true), &ready, false), Finalizer::Remove { .. }));
    }

    #[test]
    fn a_paused_resource_that_is_deleted_keeps_its_topic_and_waits() {
        let mut paused = topic("Delete", true);
        paused.annotations_mut().insert(labels::PAUSE.to_owned(), "true".to_owned());
        let ready = Cluster::Ready { bootstrap: "b:1".to_owned(), brokers: 1 };
        let decision = decide(&paused, &ready, false);
        assert!(!matches!(decision, Finalizer::DeleteTopic { .. } | Finalizer::Remove { .. }), "{decision:?}");
        for gone in [Cluster::Missing, Cluster::Terminating, Cluster::NotReady { formed: false }] {
            assert!(matches!(decide(&paused, &gone, false), Finalizer::Remove { .. }), "it outlives no cluster");
        }
        paused.annotations_mut().insert(labels::PAUSE.to_owned(), "false".to_owned());
        assert_eq!(decide(&paused, &ready, false), Finalizer::DeleteTopic { bootstrap: "b:1".to_owned() });
    }

    #[test]
    fn a_topic_is_deleted_once_even_while_others_hold_the_resource() {
        let ready = Cluster::Ready { bootstrap: "b:1".to_owned(), brokers: 1 };
        let mut let_go = topic("Delete", true);
        let_go.metadata.finalizers = Some(vec!["someone.else/holds".to_owned()]);
        assert!(matches!(decide(&let_go, &ready, false), Finalizer::Remove { .. }));
    }

    #[test]
    fn a_resource_that_keeps_its_topic_has_no_finalizer() {
        let ready = Cluster::Ready { bootstrap: "b:1".to_owned(), brokers: 1 };
        assert!(matches!(decide(&topic("Retain", false), &ready, false), Finalizer::Remove { .. }));
        assert_eq!(decide(&topic("Delete", false), &ready, false), Finalizer::Keep);
        let mut fresh = topic("Delete", false);
        fresh.metadata.finalizers = None;
        assert_eq!(decide(&fresh, &ready, false), Finalizer::Add);
    }
}
