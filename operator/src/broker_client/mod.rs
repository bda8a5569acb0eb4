//! What the controllers ask of brokers and of the quorum: a handful of operations, behind a trait so that decisions are
//! tested without a broker. Knows nothing of Kubernetes.

mod admin_port;
#[cfg(test)]
pub mod fake;
mod kafka;

pub use kafka::KafkaBrokers;

use barnabas_protocol::ErrorCode;
use barnabas_types::{TopicPartition, Uuid};
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The answer of an operation that may fail.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, BrokerError>>;

/// Finds the brokers of a cluster.
pub trait Brokers: Send + Sync {
    /// A client of the cluster at `host:port`. Connects when it is first used; the same cluster gets the same client.
    ///
    /// # Errors
    /// The address cannot be used at all.
    fn client(&self, bootstrap: &str) -> Result<Arc<dyn BrokerClient>, BrokerError>;
    /// Asks the broker whose admin port is at `host:port` for the permit to be stopped. One that is given holds for some seconds, and
    /// for one broker of a cluster at a time.
    fn may_stop<'a>(&'a self, admin: &'a str) -> BoxFuture<'a, StopPermit>;
}

/// What a broker says that is to be stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopPermit {
    /// It may be stopped now.
    Granted,
    /// It may not, in the words of the active controller.
    Refused {
        /// Why.
        why: String,
    },
    /// It is there, and no controller answers it: it is not registered yet, or there is no quorum.
    Unanswered {
        /// What it says.
        why: String,
    },
    /// Nobody is there, or a broker of an earlier release that has no such permits.
    NotAsked {
        /// What went wrong.
        reason: String,
    },
}

/// What is asked of the brokers of one cluster. Every call has its own deadline.
pub trait BrokerClient: Send + Sync {
    /// A topic, or nothing when there is none.
    fn describe_topic<'a>(&'a self, topic: &'a str) -> Answer<'a, Option<LiveTopic>>;
    /// Makes a topic.
    fn create_topic<'a>(&'a self, topic: &'a NewTopic) -> Answer<'a, ()>;
    /// Gives a topic more partitions, `count` in all.
    fn create_partitions<'a>(&'a self, topic: &'a str, count: i32) -> Answer<'a, ()>;
    /// Sets the configurations that have a value and removes the others, all or none.
    fn alter_topic_configs<'a>(&'a self, topic: &'a str, changes: &'a ConfigChanges) -> Answer<'a, ()>;
    /// What is set on all brokers at run time. Secrets are not told.
    fn dynamic_configs(&self) -> Answer<'_, BTreeMap<String, String>>;
    /// Sets the configurations of all brokers that have a value and removes the others, all or none.
    fn alter_dynamic_configs<'a>(&'a self, changes: &'a ConfigChanges) -> Answer<'a, ()>;
    /// Deletes a topic. One that does not exist is deleted already.
    fn delete_topic<'a>(&'a self, topic: &'a str) -> Answer<'a, ()>;
    /// A group, or nothing when there is none.
    fn describe_group<'a>(&'a self, group: &'a str) -> Answer<'a, Option<LiveGroup>>;
    /// Committed offsets of a group.
    fn committed_offsets<'a>(&'a self, group: &'a str) -> Answer<'a, BTreeMap<TopicPartition, i64>>;
    /// First offset and end of partitions; those that do not exist are left out.
    fn log_bounds<'a>(&'a self, partitions: &'a [TopicPartition]) -> Answer<'a, BTreeMap<TopicPartition, LogBounds>>;
    /// The quorum, as its leader sees it. A controller that does not lead refuses.
    fn describe_quorum(&self) -> Answer<'_, LiveQuorum>;
    /// Makes an observer a voter, or takes a voter out.
    fn change_voter<'a>(&'a self, change: &'a VoterChange) -> Answer<'a, ()>;
    /// What each broker holds of the partitions.
    fn hosted(&self) -> Answer<'_, BTreeMap<i32, Hosted>>;
    /// Every partition: who has it, and who of them is in sync.
    fn partitions(&self) -> Answer<'_, Vec<LivePartition>>;
    /// Every broker that the cluster knows, those that are down among them.
    fn registered_brokers(&self) -> Answer<'_, BTreeSet<i32>>;
    /// Makes the cluster forget a broker. One that is not known is forgotten already.
    fn unregister_broker(&self, id: i32) -> Answer<'_, ()>;
}

/// The quorum as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveQuorum {
    /// The node that leads.
    pub leader: i32,
    /// Its epoch.
    pub epoch: i32,
    /// Who votes.
    pub voters: Vec<LiveReplica>,
    /// Who follows without a vote: brokers, and controllers that are no voters.
    pub observers: Vec<LiveReplica>,
}

/// A replica of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveReplica {
    /// The node id.
    pub id: i32,
    /// The id of its metadata log directory.
    pub directory_id: Uuid,
    /// Whether it had everything that the leader had within the last 10 seconds.
    pub caught_up: bool,
    /// Records that it lacks.
    pub lag: i64,
}

/// A change of who votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoterChange {
    /// An observer becomes a voter.
    Add {
        /// The node id.
        id: i32,
        /// The id of its metadata log directory.
        directory_id: Uuid,
        /// The host name under which the others reach it.
        host: String,
    },
    /// A voter is none any more.
    Remove {
        /// The node id.
        id: i32,
        /// The id of its metadata log directory.
        directory_id: Uuid,
    },
}

/// What a broker holds of the partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hosted {
    /// Partitions of which it has a replica.
    pub replicas: usize,
    /// Those of which no other broker has every acknowledged record: none is in sync.
    pub alone: usize,
}

/// A partition as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LivePartition {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// Who leads it, if anybody does.
    pub leader: Option<i32>,
    /// Who has a replica.
    pub replicas: Vec<i32>,
    /// Whose replica has every acknowledged record.
    pub in_sync: Vec<i32>,
}

/// Keys with their new value; without a value the key is removed, so that the default counts.
pub type ConfigChanges = BTreeMap<String, Option<String>>;

/// A topic as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveTopic {
    /// Its id, 22 characters.
    pub id: String,
    /// Its partitions.
    pub partitions: i32,
    /// Copies of its first partition.
    pub replication_factor: i32,
    /// Configurations that were set for this topic; defaults are not among them.
    pub configs: BTreeMap<String, String>,
}

/// A topic to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Its partitions; the broker's default when left out.
    pub partitions: Option<i32>,
    /// Copies of each; the broker's default when left out.
    pub replication_factor: Option<i32>,
    /// Configurations that differ from the broker's.
    pub configs: BTreeMap<String, String>,
}

/// A group as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveGroup {
    /// Kafka's name of its state.
    pub state: String,
    /// How many members it has.
    pub members: i32,
    /// The assignment strategy, when the group has one.
    pub assignor: Option<String>,
}

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogBounds {
    /// The first offset that is still there.
    pub start: i64,
    /// The offset of the next record.
    pub end: i64,
}

/// Why brokers did not do what they were asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// The brokers refused.
    #[error("the brokers refused {what}: {}{}", .code.name(), detail(.message.as_deref(), *.code))]
    Refused {
        /// What was asked.
        what: String,
        /// Kafka's error code.
        code: ErrorCode,
        /// What the broker added.
        message: Option<String>,
    },
    /// No broker answered, or not in a way that can be understood.
    #[error("the brokers cannot be asked: {reason}")]
    Unavailable {
        /// The client's words.
        reason: String,
    },
}

fn detail(message: Option<&str>, code: ErrorCode) -> String {
    format!(" ({})", message.unwrap_or_else(|| code.message()))
}

impl BrokerError {
    /// A stable word for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Refused { code: ErrorCode::INVALID_REPLICATION_FACTOR, .. } => "TooFewBrokers",
            Self::Refused { .. } => "BrokerRefused",
            Self::Unavailable { .. } => "BrokerUnavailable",
        }
    }

    /// True when asking again without changing anything is of no use. Brokers that are too few for the copies may be on their way.
    pub fn needs_a_person(&self) -> bool {
        let final_codes = [
            ErrorCode::INVALID_CONFIG,
            ErrorCode::INVALID_PARTITIONS,
            ErrorCode::INVALID_TOPIC_EXCEPTION,
            ErrorCode::POLICY_VIOLATION,
            ErrorCode::TOPIC_DELETION_DISABLED,
            ErrorCode::INVALID_REQUEST,
        ];
        matches!(self, Self::Refused { code, .. } if final_codes.contains(code))
    }
}
