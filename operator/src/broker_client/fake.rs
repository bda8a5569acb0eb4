//! Brokers in memory, for tests: topics, groups and offsets that a test sets up, and a list of what was asked for.

use super::{
    Answer, BrokerClient, BrokerError, ConfigChanges, Hosted, LiveGroup, LivePartition, LiveQuorum, LiveTopic,
    LogBounds, NewTopic, VoterChange,
};
use barnabas_protocol::ErrorCode;
use barnabas_types::TopicPartition;
use futures::FutureExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

#[derive(Default)]
pub struct FakeCluster {
    pub state: Mutex<State>,
}

#[derive(Default)]
pub struct State {
    pub topics: BTreeMap<String, LiveTopic>,
    pub groups: BTreeMap<String, LiveGroup>,
    pub committed: BTreeMap<TopicPartition, i64>,
    pub bounds: BTreeMap<TopicPartition, LogBounds>,
    /// The quorum, as a leader would describe it; a follower describes none.
    pub quorum: Option<LiveQuorum>,
    pub hosted: BTreeMap<i32, Hosted>,
    pub partitions: Vec<LivePartition>,
    pub registered: BTreeSet<i32>,
    /// What is set on all brokers at run time.
    pub dynamic: BTreeMap<String, String>,
    /// Changes in order, as short texts.
    pub changes: Vec<String>,
    /// Refuses every change with this code.
    pub refuse: Option<ErrorCode>,
}

impl FakeCluster {
    fn change(&self, what: String, act: impl FnOnce(&mut State)) -> Result<(), BrokerError> {
        let mut state = self.state.lock().unwrap();
        if let Some(code) = state.refuse {
            return Err(BrokerError::Refused { what, code, message: None });
        }
        state.changes.push(what);
        act(&mut state);
        Ok(())
    }
}

impl BrokerClient for FakeCluster {
    fn describe_topic<'a>(&'a self, topic: &'a str) -> Answer<'a, Option<LiveTopic>> {
        let found = self.state.lock().unwrap().topics.get(topic).cloned();
        async move { Ok(found) }.boxed()
    }

    fn create_topic<'a>(&'a self, topic: &'a NewTopic) -> Answer<'a, ()> {
        let made = LiveTopic {
            id: format!("id-of-{}", topic.name),
            partitions: topic.partitions.unwrap_or(1),
            replication_factor: topic.replication_factor.unwrap_or(1),
            configs: topic.configs.clone(),
        };
        let result =
            self.change(format!("create {}", topic.name), |state| drop(state.topics.insert(topic.name.clone(), made)));
        async move { result }.boxed()
    }

    fn create_partitions<'a>(&'a self, topic: &'a str, count: i32) -> Answer<'a, ()> {
        let result = self.change(format!("grow {topic} to {count}"), |state| {
            state.topics.get_mut(topic).unwrap().partitions = count;
        });
        async move { result }.boxed()
    }

    fn alter_topic_configs<'a>(&'a self, topic: &'a str, changes: &'a ConfigChanges) -> Answer<'a, ()> {
        let result = self.change(format!("alter {topic} {changes:?}"), |state| {
            let configs = &mut state.topics.get_mut(topic).unwrap().configs;
            for (key, value) in changes {
                match value {
                    Some(value) => drop(configs.insert(key.clone(), value.clone())),
                    None => drop(configs.remove(key)),
                }
            }
        });
        async move { result }.boxed()
    }

    fn dynamic_configs(&self) -> Answer<'_, BTreeMap<String, String>> {
        let found = self.state.lock().unwrap().dynamic.clone();
        async move { Ok(found) }.boxed()
    }

    fn alter_dynamic_configs<'a>(&'a self, changes: &'a ConfigChanges) -> Answer<'a, ()> {
        let result = self.change(format!("alter all brokers {changes:?}"), |_| ());
        async move { result }.boxed()
    }

    fn delete_topic<'a>(&'a self, topic: &'a str) -> Answer<'a, ()> {
        let result = self.change(format!("delete {topic}"), |state| drop(state.topics.remove(topic)));
        async move { result }.boxed()
    }

    fn describe_group<'a>(&'a self, group: &'a str) -> Answer<'a, Option<LiveGroup>> {
        let found = self.state.lock().unwrap().groups.get(group).cloned();
        async move { Ok(found) }.boxed()
    }

    fn committed_offsets<'a>(&'a self, _group: &'a str) -> Answer<'a, BTreeMap<TopicPartition, i64>> {
        let found = self.state.lock().unwrap().committed.clone();
        async move { Ok(found) }.boxed()
    }

    fn log_bounds<'a>(&'a self, partitions: &'a [TopicPartition]) -> Answer<'a, BTreeMap<TopicPartition, LogBounds>> {
        let known = self.state.lock().unwrap().bounds.clone();
        async move { Ok(known.into_iter().filter(|(partition, _)| partitions.contains(partition)).collect()) }.boxed()
    }

    fn describe_quorum(&self) -> Answer<'_, LiveQuorum> {
        let found = self.state.lock().unwrap().quorum.clone();
        let follower = || BrokerError::Refused {
            what: "DescribeQuorum".to_owned(),
            code: ErrorCode::NOT_LEADER_OR_FOLLOWER,
            message: None,
        };
        async move { found.ok_or_else(follower) }.boxed()
    }

    fn change_voter<'a>(&'a self, change: &'a VoterChange) -> Answer<'a, ()> {
        let result = self.change(format!("{change:?}"), |_| ());
        async move { result }.boxed()
    }

    fn hosted(&self) -> Answer<'_, BTreeMap<i32, Hosted>> {
        let found = self.state.lock().unwrap().hosted.clone();
        async move { Ok(found) }.boxed()
    }

    fn partitions(&self) -> Answer<'_, Vec<LivePartition>> {
        let found = self.state.lock().unwrap().partitions.clone();
        async move { Ok(found) }.boxed()
    }

    fn registered_brokers(&self) -> Answer<'_, BTreeSet<i32>> {
        let found = self.state.lock().unwrap().registered.clone();
        async move { Ok(found) }.boxed()
    }

    fn unregister_broker(&self, id: i32) -> Answer<'_, ()> {
        let result = self.change(format!("unregister {id}"), |state| {
            state.registered.remove(&id);
        });
        async move { result }.boxed()
    }
}
