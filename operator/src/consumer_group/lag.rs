//! How far a group is behind. Pure.

use crate::broker_client::LogBounds;
use crate::crd::consumer_group::TopicLag;
use barnabas_types::TopicPartition;
use std::collections::BTreeMap;

/// Topics that a status lists; the metrics have them all.
const MAX_TOPICS: usize = 100;

/// The lag of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    pub total: i64,
    pub max_partition: i64,
    /// By topic name.
    pub topics: Vec<TopicLag>,
    /// Topic, partition, lag.
    pub partitions: Vec<(String, i32, i64)>,
}

/// Records between what is committed and the end. What retention has removed nobody can read any more, so it does not count; a
/// partition that is gone has no lag.
pub fn compute(committed: &BTreeMap<TopicPartition, i64>, bounds: &BTreeMap<TopicPartition, LogBounds>) -> Lag {
    let mut lag = Lag::default();
    let mut topics: BTreeMap<&str, TopicLag> = BTreeMap::new();
    for (partition, offset) in committed {
        let Some(bounds) = bounds.get(partition) else { continue };
        let behind = bounds.end.saturating_sub((*offset).max(bounds.start)).max(0);
        lag.total = lag.total.saturating_add(behind);
        lag.max_partition = lag.max_partition.max(behind);
        let name: &str = &partition.topic;
        let empty = || TopicLag { topic: name.to_owned(), partitions: 0, lag: 0 };
        let topic = topics.entry(name).or_insert_with(empty);
        topic.partitions = topic.partitions.saturating_add(1);
        topic.lag = topic.lag.saturating_add(behind);
        lag.partitions.push((name.to_owned(), partition.partition, behind));
    }
    lag.topics = topics.into_values().take(MAX_TOPICS).collect();
    lag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    #[test]
    fn records_that_have_expired_do_not_count() {
        let committed = BTreeMap::from([(at(0), 10), (at(1), 90)]);
        let bounds =
            BTreeMap::from([(at(0), LogBounds { start: 80, end: 100 }), (at(1), LogBounds { start: 80, end: 100 })]);
        let lag = compute(&committed, &bounds);
        assert_eq!((lag.total, lag.max_partition), (30, 20));
        assert_eq!(lag.topics, [TopicLag { topic: "t".to_owned(), partitions: 2, lag: 30 }]);
    }

    #[test]
    fn a_commit_beyond_the_end_is_no_negative_lag_and_a_lost_partition_none_at_all() {
        let committed = BTreeMap::from([(at(0), 200), (at(1), 5)]);
        let lag = compute(&committed, &BTreeMap::from([(at(0), LogBounds { start: 0, end: 100 })]));
        assert_eq!((lag.total, lag.partitions.len()), (0, 1));
    }

    #[test]
    fn partitions_that_nobody_committed_on_do_not_count() {
        let bounds = BTreeMap::from([(at(0), LogBounds { start: 0, end: 100 })]);
        assert_eq!(compute(&BTreeMap::new(), &bounds), Lag::default());
    }
}
