//! What a ConsumerGroup's status should say. Pure.

use crate::broker_client::{BrokerError, LiveGroup};
use crate::consumer_group::lag::Lag;
use crate::crd::condition::{Observation, conditions, kind};
use crate::crd::consumer_group::{ConsumerGroup, ConsumerGroupStatus};
use k8s_openapi::jiff::Timestamp;

/// The state of a group that nobody has joined or committed to yet. Kafka has no name for it.
const NOT_FOUND: &str = "NotFound";

/// How far this pass came.
pub enum Progress<'a> {
    /// There is no such cluster, or it is going.
    ClusterMissing,
    /// The cluster's brokers are not ready.
    ClusterNotReady,
    /// The brokers refused, or could not be asked.
    Failed(&'a BrokerError),
    /// The group was looked at.
    Observed(Option<&'a LiveGroup>, &'a Lag),
}

/// The new status. Equal to the old one when nothing changed.
pub fn compute(group: &ConsumerGroup, progress: &Progress<'_>, now: Timestamp) -> ConsumerGroupStatus {
    let mut status = group.status.clone().unwrap_or_default();
    let generation = group.metadata.generation;
    status.observed_generation = generation;
    status.group_id = Some(group.group_id().to_owned());
    if let Progress::Observed(live, lag) = progress {
        status.state = Some(live.map_or_else(|| NOT_FOUND.to_owned(), |live| live.state.clone()));
        status.members = Some(live.map_or(0, |live| live.members));
        status.assignor = live.and_then(|live| live.assignor.clone());
        status.total_lag = Some(lag.total);
        status.max_partition_lag = Some(lag.max_partition);
        status.topics.clone_from(&lag.topics);
    }
    status.conditions = conditions(&status.conditions, observations(group, progress), generation, now);
    status
}

fn observations(group: &ConsumerGroup, progress: &Progress<'_>) -> Vec<Observation> {
    let cluster = &group.spec.cluster_ref.name;
    match progress {
        Progress::ClusterMissing => {
            waiting("ClusterMissing", format!("there is no KafkaCluster {cluster} in this namespace"))
        }
        Progress::ClusterNotReady => {
            waiting("ClusterNotReady", format!("waiting for the KafkaCluster {cluster} to be ready"))
        }
        Progress::Failed(error) => waiting(error.reason(), error.to_string()),
        Progress::Observed(live, lag) => {
            let message = match live {
                Some(_) => "the group is observed",
                None => "the group does not exist yet: it begins when a consumer joins it or commits an offset",
            };
            let mut all = vec![Observation::holds(kind::READY, "Observed", message)];
            if let Some(limit) = group.spec.max_lag.filter(|limit| lag.total > *limit) {
                // The figure is in status.totalLag: here it would change with every record.
                let message = format!("the group is more than {limit} records behind");
                all.push(Observation::holds(kind::LAG_EXCEEDED, "LagAboveMaximum", message));
            }
            all
        }
    }
}

fn waiting(reason: &str, message: String) -> Vec<Observation> {
    vec![
        Observation::fails(kind::READY, reason, message.clone()),
        Observation::holds(kind::RECONCILING, reason, message),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::condition::find;

    fn group() -> ConsumerGroup {
        ConsumerGroup::new("billing", serde_yaml::from_str("{clusterRef: {name: c}, maxLag: 10}").unwrap())
    }

    fn live() -> LiveGroup {
        LiveGroup { state: "Stable".to_owned(), members: 2, assignor: Some("range".to_owned()) }
    }

    #[test]
    fn a_group_that_does_not_exist_yet_is_no_fault() {
        let status = compute(&group(), &Progress::Observed(None, &Lag::default()), Timestamp::UNIX_EPOCH);
        assert_eq!((status.state.as_deref(), status.members, status.total_lag), (Some("NotFound"), Some(0), Some(0)));
        assert_eq!(status.conditions[0].reason, "Observed");
    }

    #[test]
    fn too_much_lag_is_a_condition_that_goes_away() {
        let mut group = group();
        let behind = Lag { total: 11, ..Lag::default() };
        let status = compute(&group, &Progress::Observed(Some(&live()), &behind), Timestamp::UNIX_EPOCH);
        assert!(find(&status.conditions, kind::LAG_EXCEEDED).is_some());
        group.status = Some(status);
        let caught_up = compute(&group, &Progress::Observed(Some(&live()), &Lag::default()), Timestamp::UNIX_EPOCH);
        assert!(find(&caught_up.conditions, kind::LAG_EXCEEDED).is_none());
    }

    #[test]
    fn a_cluster_that_is_away_leaves_the_last_figures() {
        let mut group = group();
        let lag = Lag { total: 5, ..Lag::default() };
        group.status = Some(compute(&group, &Progress::Observed(Some(&live()), &lag), Timestamp::UNIX_EPOCH));
        let status = compute(&group, &Progress::ClusterNotReady, Timestamp::UNIX_EPOCH);
        assert_eq!((status.total_lag, status.conditions[0].reason.as_str()), (Some(5), "ClusterNotReady"));
    }
}
