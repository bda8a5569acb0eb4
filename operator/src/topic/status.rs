//! What a Topic's status should say. Pure.

use crate::broker_client::{BrokerError, LiveTopic};
use crate::crd::condition::{Observation, conditions, kind};
use crate::crd::topic::{Topic, TopicStatus};
use crate::k8s::labels;
use crate::topic::plan::Conflict;
use k8s_openapi::jiff::Timestamp;

/// How far this pass came.
pub enum Progress<'a> {
    /// There is no such cluster, or it is going.
    ClusterMissing,
    /// The cluster's brokers are not ready.
    ClusterNotReady,
    /// Another resource has the topic, or it cannot be made.
    Refused(&'a Conflict),
    /// The brokers refused, or could not be asked.
    Failed(&'a BrokerError),
    /// Nothing is changed, by annotation.
    Paused(Option<&'a LiveTopic>),
    /// The topic is as it should be, but for a conflict.
    Done(&'a LiveTopic, Option<&'a Conflict>),
}

/// The new status. Equal to the old one when nothing changed.
pub fn compute(topic: &Topic, progress: &Progress<'_>, now: Timestamp) -> TopicStatus {
    let mut status = topic.status.clone().unwrap_or_default();
    let generation = topic.metadata.generation;
    status.topic_name = Some(topic.topic_name().to_owned());
    if !matches!(progress, Progress::Paused(_)) {
        status.observed_generation = generation;
    }
    if let Progress::Done(live, _) | Progress::Paused(Some(live)) = progress {
        status.topic_id = Some(live.id.clone());
        status.partitions = Some(live.partitions);
        status.replication_factor = Some(live.replication_factor);
    }
    status.conditions = conditions(&status.conditions, observations(topic, progress), generation, now);
    status
}

fn observations(topic: &Topic, progress: &Progress<'_>) -> Vec<Observation> {
    let cluster = &topic.spec.cluster_ref.name;
    match progress {
        Progress::ClusterMissing => {
            in_progress("ClusterMissing", format!("there is no KafkaCluster {cluster} in this namespace"))
        }
        Progress::ClusterNotReady => {
            in_progress("ClusterNotReady", format!("waiting for the KafkaCluster {cluster} to be ready"))
        }
        Progress::Refused(conflict) => stalled(conflict.reason(), conflict.to_string()),
        Progress::Failed(error) if error.needs_a_person() => stalled(error.reason(), error.to_string()),
        Progress::Failed(error) => in_progress(error.reason(), error.to_string()),
        Progress::Paused(live) => {
            let ready = match live {
                Some(_) => {
                    Observation::holds(kind::READY, "TopicExists", "the topic exists; differences are left alone")
                }
                None => Observation::fails(kind::READY, "TopicMissing", "the topic does not exist"),
            };
            let message = if topic.metadata.deletion_timestamp.is_some() {
                let pause = labels::PAUSE;
                format!(
                    "the deletion waits: remove the annotation {pause} to delete the topic, or set deletionPolicy: Retain to keep it"
                )
            } else {
                format!("remove the annotation {} to go on", labels::PAUSE)
            };
            vec![ready, Observation::holds(kind::PAUSED, "PausedByAnnotation", message)]
        }
        Progress::Done(_, Some(conflict)) => stalled(conflict.reason(), conflict.to_string()),
        Progress::Done(_, None) => {
            vec![Observation::holds(kind::READY, "TopicReady", "the topic is as this resource says")]
        }
    }
}

fn in_progress(reason: &str, message: String) -> Vec<Observation> {
    vec![
        Observation::fails(kind::READY, reason, message.clone()),
        Observation::holds(kind::RECONCILING, reason, message),
    ]
}

fn stalled(reason: &str, message: String) -> Vec<Observation> {
    vec![Observation::fails(kind::READY, reason, message.clone()), Observation::holds(kind::STALLED, reason, message)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::condition::ConditionStatus;
    use barnabas_protocol::ErrorCode;

    fn topic() -> Topic {
        let mut topic = Topic::new("orders", serde_yaml::from_str("{clusterRef: {name: c}}").unwrap());
        topic.metadata.generation = Some(4);
        topic
    }

    fn words(progress: &Progress<'_>) -> Vec<(String, ConditionStatus)> {
        let status = compute(&topic(), progress, Timestamp::UNIX_EPOCH);
        status.conditions.into_iter().map(|condition| (condition.kind, condition.status)).collect()
    }

    #[test]
    fn what_only_a_person_can_change_is_stalled_and_what_passes_is_not() {
        let refused = |code| BrokerError::Refused { what: "CreateTopics".to_owned(), code, message: None };
        let wrong = words(&Progress::Failed(&refused(ErrorCode::INVALID_CONFIG)));
        assert_eq!(wrong[1], ("Stalled".to_owned(), ConditionStatus::True));
        let passing = words(&Progress::Failed(&refused(ErrorCode::NOT_CONTROLLER)));
        assert_eq!(passing[1], ("Reconciling".to_owned(), ConditionStatus::True));
    }

    #[test]
    fn a_steady_topic_has_the_same_status_later() {
        let mut topic = topic();
        let live = LiveTopic { id: "i".to_owned(), partitions: 3, replication_factor: 1, ..LiveTopic::default() };
        let first = compute(&topic, &Progress::Done(&live, None), Timestamp::UNIX_EPOCH);
        assert_eq!((first.observed_generation, first.partitions), (Some(4), Some(3)));
        topic.status = Some(first.clone());
        let later = Timestamp::from_second(1000).unwrap();
        assert_eq!(compute(&topic, &Progress::Done(&live, None), later), first);
    }
}
