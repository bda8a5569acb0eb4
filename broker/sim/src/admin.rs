//! What admin clients ask the controller for, and how the production controller decides it. Keeps nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use barnabas_metadata::{
    ConfigOperation, ConfigResource, ConfigRules, Context, Controller, CreatePartitionsError, CreateTopicError,
    Heartbeat, InvalidConfig, Registration, ResourceType, TopicSelector, served_features,
};
use barnabas_protocol::messages::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use barnabas_protocol::messages::create_topics::{CreatableTopic, CreateTopicsRequest};
use barnabas_protocol::records::metadata::MetadataRecord;
use barnabas_types::{BrokerId, Now, Offset, Uuid};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Let a broker take part that has no process.
    Pretend(i32),
    /// Let a broker take part.
    Register {
        /// Its id.
        broker: i32,
        /// Its process.
        incarnation_id: Uuid,
    },
    /// Hear of a broker.
    Heartbeat {
        /// Its id.
        broker: i32,
        /// The epoch of its registration.
        epoch: i64,
        /// The last offset that it has applied.
        applied: Offset,
    },
    /// Make a topic with one partition.
    Create(String),
    /// Set `max.message.bytes` of a topic.
    Configure(String, u64),
    /// Let a topic have that many partitions.
    Grow(String, i32),
    /// Remove a topic.
    Delete(String),
    /// Raise `kraft.version` to 1.
    RaiseKRaftVersion,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is done.
    Done,
    /// It cannot be done: what was asked for is so already, or what it needs is not there.
    Refused,
    /// A part is done: ask again.
    Again,
    /// Nothing is known: ask another node.
    NotController,
    /// The broker is registered, in this epoch.
    Registered(i64),
    /// The broker was heard of.
    HeardOf {
        /// It may not lead.
        is_fenced: bool,
    },
    /// The registration of the broker is another one.
    Stale,
}

/// The key that clients set.
pub const KEY: &str = "max.message.bytes";

/// How long leaderless and unbalanced partitions wait.
const PERIODIC: Duration = Duration::from_secs(5);

/// All values are valid: which ones are is tested elsewhere.
pub struct AnyValue;

impl ConfigRules for AnyValue {
    fn validate(
        &self,
        _resource: &ConfigResource,
        _configs: &BTreeMap<Box<str>, Box<str>>,
    ) -> Result<(), InvalidConfig> {
        Ok(())
    }

    fn is_list(&self, _resource_type: ResourceType, _key: &str) -> bool {
        false
    }

    fn inherited(&self, _resource: &ConfigResource, _key: &str) -> Option<String> {
        None
    }
}

/// The records that `ask` needs, and what to answer once they are committed.
pub fn decide(
    controller: &mut Controller,
    ask: &Ask,
    context: &mut Context<'_>,
) -> (Vec<MetadataRecord<'static>>, Told) {
    match ask {
        Ask::Pretend(broker) => pretend(controller, context, *broker),
        Ask::Register { broker, incarnation_id } => {
            match controller.register_broker(context, registration(*broker, *incarnation_id)) {
                Ok(outcome) => (outcome.records, Told::Registered(outcome.response.broker_epoch)),
                // Another process of it was heard of lately.
                Err(_) => (Vec::new(), Told::Again),
            }
        }
        Ask::Heartbeat { broker, epoch, applied } => {
            match controller.heartbeat(context, &heartbeat(*broker, *epoch, *applied)) {
                Ok(outcome) => (outcome.records, Told::HeardOf { is_fenced: outcome.response.is_fenced }),
                Err(_) => (Vec::new(), Told::Stale),
            }
        }
        Ask::Create(name) => {
            let topic = CreatableTopic {
                name: Cow::Borrowed(name),
                num_partitions: 1,
                replication_factor: replication_factor(controller),
                ..Default::default()
            };
            let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
            let outcome = controller.create_topics(context, &request);
            let told = match outcome.response.first() {
                Some(Ok(_)) => Told::Done,
                Some(Err(CreateTopicError::Exists { .. })) => Told::Refused,
                _ => Told::Again,
            };
            (outcome.records, told)
        }
        Ask::Configure(name, value) => {
            let value = value.to_string();
            let operations = [(KEY, ConfigOperation::Set(&value))];
            match controller.incremental_alter_configs(context, &ConfigResource::topic(name.as_str()), &operations) {
                Ok(outcome) => (outcome.records, Told::Done),
                Err(_) => (Vec::new(), Told::Refused),
            }
        }
        Ask::Grow(name, count) => {
            let topic = CreatePartitionsTopic {
                name: Cow::Borrowed(name),
                count: *count,
                assignments: None,
                ..Default::default()
            };
            let request = CreatePartitionsRequest { topics: vec![topic], ..Default::default() };
            let outcome = controller.create_partitions(context, &request);
            let told = match outcome.response.first() {
                Some(Ok(())) => Told::Done,
                Some(Err(CreatePartitionsError::Placement(_))) | None => Told::Again,
                Some(Err(_)) => Told::Refused,
            };
            (outcome.records, told)
        }
        Ask::Delete(name) => {
            let outcome = controller.delete_topics(&[TopicSelector::Name(name.as_str().into())]);
            let told = if outcome.response.iter().all(Result::is_ok) { Told::Done } else { Told::Refused };
            (outcome.records, told)
        }
        Ask::RaiseKRaftVersion => (Vec::new(), Told::Refused),
    }
}

/// As many replicas as there are brokers, up to the usual three.
fn replication_factor(controller: &Controller) -> i16 {
    let usable = controller.head().brokers.iter().filter(|broker| broker.takes_new_replicas()).count();
    i16::try_from(usable.clamp(1, 3)).unwrap_or(1)
}

/// What a decision needs.
pub fn context<'a>(
    next_offset: Offset,
    random: &'a mut dyn FnMut() -> u128,
    broker_session_timeout: Duration,
    now: Now,
) -> Context<'a> {
    Context {
        rules: &AnyValue,
        random,
        default_partitions: 1,
        default_replication_factor: 1,
        next_offset,
        broker_session_timeout,
        leader_imbalance_check_interval: Some(PERIODIC),
        unclean_leader_election_interval: PERIODIC,
        now: now.monotonic,
    }
}

fn heartbeat(broker: i32, broker_epoch: i64, applied_offset: Offset) -> Heartbeat {
    Heartbeat {
        broker_id: BrokerId(broker),
        broker_epoch,
        applied_offset,
        want_fence: false,
        want_shut_down: false,
        cordoned_log_dirs: None,
        offline_log_dirs: Vec::new(),
    }
}

fn registration(broker: i32, incarnation_id: Uuid) -> Registration {
    Registration {
        broker_id: BrokerId(broker),
        incarnation_id,
        previous_broker_epoch: -1,
        endpoints: Vec::new(),
        features: served_features(),
        rack: None,
        beside_controller: false,
        log_dirs: vec![Uuid::from_u128(0x2_0000 + u128::from(broker.unsigned_abs()))],
    }
}

/// Registers a broker that has no process and lets it in, step by step.
fn pretend(controller: &mut Controller, context: &Context<'_>, broker: i32) -> (Vec<MetadataRecord<'static>>, Told) {
    let id = BrokerId(broker);
    if let Some(registered) = controller.head().brokers.get(id) {
        if controller.head().brokers.is_active(id) {
            return (Vec::new(), Told::Done);
        }
        let heartbeat = heartbeat(broker, registered.epoch, context.next_offset);
        let records = controller.heartbeat(context, &heartbeat).map(|outcome| outcome.records).unwrap_or_default();
        return (records, Told::Again);
    }
    let registration = registration(broker, Uuid::from_u128(0x1_0000 + u128::from(broker.unsigned_abs())));
    let records = controller.register_broker(context, registration).map(|outcome| outcome.records).unwrap_or_default();
    (records, Told::Again)
}
