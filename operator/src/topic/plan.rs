//! Compares a Topic with the topic that is there: what to do, and what cannot be done. Pure.

use crate::broker_client::{ConfigChanges, LiveTopic, NewTopic};
use crate::crd::schema::Scalar;
use crate::crd::topic::Topic;
use kube::ResourceExt as _;

/// What makes the topic what the resource says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is none.
    Create(NewTopic),
    /// It has fewer partitions.
    CreatePartitions { count: i32 },
    /// Some of its configurations differ.
    AlterConfigs(ConfigChanges),
}

/// What the resource asks for and Kafka cannot do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error(
        "the topic has {live} partitions, and partitions cannot be taken away: set spec.partitions to {live} or more"
    )]
    PartitionsCannotShrink { live: i32 },
    #[error(
        "the topic has {live} copies of each partition, not {wanted}: the number cannot be changed; set spec.replicas to {live}"
    )]
    ReplicasCannotChange { live: i32, wanted: i32 },
    #[error(
        "the topic is to have {wanted} copies of each partition, and the cluster has {available} brokers, each of which holds one: ask \
         for more brokers, or make the Topic anew with fewer replicas"
    )]
    TooFewBrokers { available: usize, wanted: i32 },
    #[error("the Topic {older} of this namespace is older and has the same topic: delete one of the two")]
    TopicTaken { older: String },
}

impl Conflict {
    /// A stable word for conditions and events.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::PartitionsCannotShrink { .. } => "PartitionsCannotShrink",
            Self::ReplicasCannotChange { .. } => "ReplicasCannotChange",
            Self::TooFewBrokers { .. } => "TooFewBrokers",
            Self::TopicTaken { .. } => "TopicTaken",
        }
    }
}

/// What to do about a topic; what conflicts does not hold back the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub conflict: Option<Conflict>,
}

/// Compares. The cluster has `available` brokers.
pub fn plan(topic: &Topic, live: Option<&LiveTopic>, available: usize) -> Plan {
    let Some(live) = live else {
        let beyond = |wanted: &i32| usize::try_from(*wanted).is_ok_and(|wanted| wanted > available);
        if let Some(wanted) = topic.spec.replicas.filter(beyond) {
            return Plan { steps: Vec::new(), conflict: Some(Conflict::TooFewBrokers { available, wanted }) };
        }
        let set = |(key, value): (&String, &Option<Scalar>)| Some((key.clone(), value.as_ref()?.to_string()));
        let new = NewTopic {
            name: topic.topic_name().to_owned(),
            partitions: topic.spec.partitions,
            replication_factor: topic.spec.replicas,
            configs: topic.spec.config.iter().filter_map(set).collect(),
        };
        return Plan { steps: vec![Step::Create(new)], conflict: None };
    };
    let mut plan = Plan::default();
    match topic.spec.partitions {
        Some(wanted) if wanted > live.partitions => plan.steps.push(Step::CreatePartitions { count: wanted }),
        Some(wanted) if wanted < live.partitions => {
            plan.conflict = Some(Conflict::PartitionsCannotShrink { live: live.partitions });
        }
        _ => {}
    }
    if let Some(wanted) = topic.spec.replicas.filter(|wanted| *wanted != live.replication_factor) {
        plan.conflict = Some(Conflict::ReplicasCannotChange { live: live.replication_factor, wanted });
    }
    let changes = config_changes(topic, live);
    if !changes.is_empty() {
        plan.steps.push(Step::AlterConfigs(changes));
    }
    plan
}

/// A value is kept, null is left alone, and what the resource does not name goes back to the default.
fn config_changes(topic: &Topic, live: &LiveTopic) -> ConfigChanges {
    let wanted = &topic.spec.config;
    let set = wanted.iter().filter_map(|(key, value)| {
        let value = value.as_ref()?.to_string();
        (live.configs.get(key) != Some(&value)).then(|| (key.clone(), Some(value)))
    });
    let removed = live.configs.keys().filter(|key| !wanted.contains_key(*key)).map(|key| (key.clone(), None));
    set.chain(removed).collect()
}

/// Of several resources for one topic the oldest counts.
pub fn older_claimant<'a>(topic: &Topic, others: impl IntoIterator<Item = &'a Topic>) -> Option<Conflict> {
    let age = |topic: &Topic| (topic.metadata.creation_timestamp.clone().map(|time| time.0), topic.name_any());
    others
        .into_iter()
        .filter(|other| other.namespace() == topic.namespace())
        .filter(|other| other.uid() != topic.uid() && other.metadata.deletion_timestamp.is_none())
        .filter(|other| other.spec.cluster_ref == topic.spec.cluster_ref && other.topic_name() == topic.topic_name())
        .find(|other| age(other) < age(topic))
        .map(|other| Conflict::TopicTaken { older: other.name_any() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;
    use std::collections::BTreeMap;

    fn topic(spec: &str) -> Topic {
        Topic::new("orders", serde_yaml::from_str(&format!("{{clusterRef: {{name: c}}, {spec}}}")).unwrap())
    }

    fn live(partitions: i32, configs: &[(&str, &str)]) -> LiveTopic {
        let configs = configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        LiveTopic { id: "id".to_owned(), partitions, replication_factor: 1, configs }
    }

    #[test]
    fn a_topic_that_is_not_there_is_made_with_all_it_needs() {
        let plan = plan(&topic("topicName: Orders.v1, partitions: 3, config: {retention.ms: 1000, a: null}"), None, 1);
        let expected = NewTopic {
            name: "Orders.v1".to_owned(),
            partitions: Some(3),
            replication_factor: None,
            configs: BTreeMap::from([("retention.ms".to_owned(), "1000".to_owned())]),
        };
        assert_eq!(plan.steps, [Step::Create(expected)]);
    }

    #[test]
    fn partitions_grow_and_never_shrink_and_configs_are_put_right_all_the_same() {
        let wanted = topic("partitions: 3, config: {retention.ms: 5}");
        let growing = plan(&wanted, Some(&live(2, &[("retention.ms", "5")])), 1);
        assert_eq!(growing.steps, [Step::CreatePartitions { count: 3 }]);
        let shrinking = plan(&wanted, Some(&live(4, &[])), 1);
        assert_eq!(shrinking.conflict, Some(Conflict::PartitionsCannotShrink { live: 4 }));
        assert_eq!(shrinking.steps.len(), 1, "the retention is set nevertheless");
    }

    #[test]
    fn a_value_is_kept_null_is_left_alone_and_the_rest_follows_the_default() {
        let wanted = topic("config: {kept: 1, wrong: 2, hands.off: null}");
        let found = live(1, &[("kept", "1"), ("wrong", "9"), ("hands.off", "7"), ("stray", "8")]);
        let expected = ConfigChanges::from([("wrong".to_owned(), Some("2".to_owned())), ("stray".to_owned(), None)]);
        assert_eq!(plan(&wanted, Some(&found), 1).steps, [Step::AlterConfigs(expected)]);
    }

    #[test]
    fn what_is_as_it_should_be_is_left_alone() {
        assert_eq!(plan(&topic("config: {a: 1}"), Some(&live(5, &[("a", "1")])), 1), Plan::default());
    }

    #[test]
    fn the_oldest_of_two_resources_for_one_topic_counts() {
        let at = |second, name: &str, spec: &str| {
            let mut topic = topic(spec);
            topic.metadata.name = Some(name.to_owned());
            topic.metadata.uid = Some(name.to_owned());
            topic.metadata.creation_timestamp = Some(Time(Timestamp::from_second(second).unwrap()));
            topic
        };
        let (first, second) = (at(1, "orders", ""), at(2, "again", "topicName: orders"));
        let both = [first.clone(), second.clone()];
        assert_eq!(older_claimant(&first, &both), None);
        assert_eq!(older_claimant(&second, &both), Some(Conflict::TopicTaken { older: "orders".to_owned() }));
        let mut leaving = first;
        leaving.metadata.deletion_timestamp = Some(Time(Timestamp::from_second(3).unwrap()));
        assert_eq!(older_claimant(&second, &[leaving]), None, "the older one is on its way out");
    }
}
