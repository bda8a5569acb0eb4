//! Metadata: brokers, topics and who leads their partitions, out of the image this node has applied. A topic that does not
//! exist is made where client and broker allow that.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use barnabas_metadata::{BrokerRegistration, Image, Partition, Topic, topic_name};
use barnabas_protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition,
    MetadataResponseTopic,
};
use barnabas_protocol::{ErrorCode, Int32List};
use barnabas_types::{BrokerId, PartitionId, Uuid};

use super::RequestContext;
use super::authorize::{CLUSTER_OPERATIONS, TOPIC_OPERATIONS, operations_if};
use crate::replica::Surroundings;

/// How long a client waits for the election of leaders that have just ended. The other requests of its connection wait as well.
const ELECTION_PATIENCE: Duration = Duration::from_millis(300);
/// How much later than a client this broker may hear that another's process has ended.
const NEWS_DELAY: Duration = Duration::from_millis(10);
/// Clients of older versions know no such error.
const FIRST_VERSION_OF_LISTENER_NOT_FOUND: i16 = 6;
/// A client that came sooner than this asks because it knows nothing yet, not because a leader has left it.
const FIRST_CONTACT: Duration = Duration::from_secs(1);

/// Answers from the image; waits only where a topic is made, or a leader elected.
pub async fn handle(context: &RequestContext, request: MetadataRequest<'_>) -> MetadataResponse<'static> {
    let missing = names_to_create(context, &request);
    if !missing.is_empty() {
        context.node.auto_create_topics(missing).await;
    }
    leaders_are_known(context, &request).await;
    let image = context.node.image();
    let everything =
        request.topics.is_none() || (context.api_version == 0 && request.topics.as_ref().is_some_and(Vec::is_empty));
    let describe = Describe { context, image: &image, operations_asked: request.include_topic_authorized_operations };
    let topics = if everything {
        image.topics.by_name().map(|topic| describe.topic(topic)).collect()
    } else {
        request.topics.iter().flatten().map(|wanted| describe.wanted(wanted)).collect()
    };
    let asked = request.include_cluster_authorized_operations;
    MetadataResponse {
        brokers: brokers(context, &image),
        cluster_id: Some(context.node.cluster_id.to_string().into()),
        controller_id: context.node.broker_id.0,
        topics,
        cluster_authorized_operations: operations_if(asked, CLUSTER_OPERATIONS),
        ..Default::default()
    }
}

/// Waits a little for new leaders where the leaders of what is asked for have ended a moment ago. Who asks, asks because of that; who hears of no
/// leader, or of the one before, asks again only after a second (librdkafka).
async fn leaders_are_known(context: &RequestContext, request: &MetadataRequest<'_>) {
    let surroundings = context.node.replicas.surroundings();
    let departures = surroundings.departures();
    if departures.are_none() {
        if !may_have_lost_a_leader(context, request) {
            return;
        }
        tokio::time::sleep(NEWS_DELAY).await;
        if departures.are_none() {
            return;
        }
    }
    let mut departed = departures.watch();
    let mut applied = context.node.controller.applied().watch();
    let deadline = context.node.runtime.deadline(ELECTION_PATIENCE);
    let waiting = async {
        while wanted_topics(&context.node.image(), request).any(|topic| is_left(topic, surroundings)) {
            tokio::select! {
                biased;
                Ok(()) = departed.changed() => {}
                Ok(_) = applied.changed() => {}
                else => return,
            }
        }
    };
    // Whoever leads then, and be it nobody, is told.
    _ = tokio::time::timeout_at(deadline, waiting).await;
}

/// Whether a client that has been connected for a while asks for topics that other brokers lead.
fn may_have_lost_a_leader(context: &RequestContext, request: &MetadataRequest<'_>) -> bool {
    let connected_for = context.node.runtime.now().monotonic.saturating_sub(context.connection.opened_at);
    let own = context.node.broker_id;
    let leads_all = |topic: &Arc<Topic>| topic.partitions.values().all(|partition| partition.leader == own);
    connected_for > FIRST_CONTACT && !wanted_topics(&context.node.image(), request).all(leads_all)
}

/// The topics that are asked for one by one and exist.
fn wanted_topics<'a>(image: &'a Image, request: &'a MetadataRequest<'_>) -> impl Iterator<Item = &'a Arc<Topic>> {
    request.topics.iter().flatten().filter_map(|wanted| match &wanted.name {
        Some(name) => image.topics.named(name),
        None => image.topics.get(wanted.topic_id),
    })
}

fn is_left(topic: &Topic, surroundings: &Surroundings) -> bool {
    topic.partitions.values().any(|partition| surroundings.leaves(partition.leader))
}

/// Names that are asked for, do not exist, and may be made. Names that no topic can have are left out: they get their error.
fn names_to_create(context: &RequestContext, request: &MetadataRequest<'_>) -> BTreeSet<String> {
    if !request.allow_auto_topic_creation || !context.node.config.topics.auto_create_topics_enable {
        return BTreeSet::new();
    }
    let image = context.node.image();
    let named = request.topics.iter().flatten().filter_map(|topic| topic.name.as_deref());
    named
        .filter(|name| image.topics.named(name).is_none() && topic_name::validate(name).is_ok())
        .map(str::to_owned)
        .collect()
}

/// The brokers that clients of this listener can reach, and those that they could a moment ago: a client that is told of a new leader and
/// of the end of the old one at once may forget the one over the other (librdkafka 2.16).
fn brokers(context: &RequestContext, image: &Image) -> Vec<MetadataResponseBroker<'static>> {
    let surroundings = context.node.replicas.surroundings();
    let active = image.brokers.iter().filter(|broker| !broker.fenced || surroundings.was_there(broker.id));
    active
        .filter_map(|broker| {
            let endpoint = broker.endpoint(&context.connection.listener)?;
            Some(MetadataResponseBroker {
                node_id: broker.id.0,
                host: endpoint.host.to_string().into(),
                port: i32::from(endpoint.port),
                rack: broker.rack.as_deref().map(|rack| rack.to_owned().into()),
                ..Default::default()
            })
        })
        .collect()
}

struct Describe<'a> {
    context: &'a RequestContext,
    image: &'a Image,
    operations_asked: bool,
}

impl Describe<'_> {
    fn wanted(&self, wanted: &MetadataRequestTopic<'_>) -> MetadataResponseTopic<'static> {
        let (topic, error_code) = match &wanted.name {
            Some(name) => (self.image.topics.named(name), missing(name)),
            None => (self.image.topics.get(wanted.topic_id), ErrorCode::UNKNOWN_TOPIC_ID),
        };
        match topic {
            Some(topic) => self.topic(topic),
            None => MetadataResponseTopic {
                error_code,
                name: wanted.name.as_ref().map(|name| name.to_string().into()),
                topic_id: if wanted.name.is_some() { Uuid::ZERO } else { wanted.topic_id },
                is_internal: wanted.name.as_deref().is_some_and(topic_name::is_internal),
                ..Default::default()
            },
        }
    }

    fn topic(&self, topic: &Arc<Topic>) -> MetadataResponseTopic<'static> {
        let partitions = topic.partitions.iter().map(|(&id, partition)| self.partition(id, partition)).collect();
        MetadataResponseTopic {
            name: Some(topic.name.to_string().into()),
            topic_id: topic.id,
            is_internal: topic_name::is_internal(&topic.name),
            partitions,
            topic_authorized_operations: operations_if(self.operations_asked, TOPIC_OPERATIONS),
            ..Default::default()
        }
    }

    fn partition(&self, id: PartitionId, partition: &Partition) -> MetadataResponsePartition<'static> {
        let leader = self.leader(partition);
        MetadataResponsePartition {
            error_code: leader.err().unwrap_or(ErrorCode::NONE),
            partition_index: id,
            leader_id: leader.unwrap_or(BrokerId::NONE).0,
            leader_epoch: partition.leader_epoch.0,
            replica_nodes: partition.replicas.iter().map(|broker| broker.0).collect(),
            isr_nodes: partition.isr.iter().map(|broker| broker.0).collect(),
            offline_replicas: offline_replicas(self.image, &self.context.connection.listener, partition),
            ..Default::default()
        }
    }

    /// Who leads, where clients of this listener reach it; else why nobody does.
    fn leader(&self, partition: &Partition) -> Result<BrokerId, ErrorCode> {
        // Who hears now that there is none asks again soon; who is sent to one that is gone may take seconds to find out.
        let (leader, listener) = (partition.leader, &self.context.connection.listener);
        if !self.image.brokers.is_active(leader) || self.context.node.replicas.surroundings().leaves(leader) {
            return Err(ErrorCode::LEADER_NOT_AVAILABLE);
        }
        match reached(self.image, listener, leader) {
            Some(_) => Ok(leader),
            None if self.context.api_version < FIRST_VERSION_OF_LISTENER_NOT_FOUND => {
                Err(ErrorCode::LEADER_NOT_AVAILABLE)
            }
            None => Err(ErrorCode::LISTENER_NOT_FOUND),
        }
    }
}

/// A broker that is up, if clients of `listener` reach it.
pub fn reached<'a>(image: &'a Image, listener: &str, broker: BrokerId) -> Option<&'a Arc<BrokerRegistration>> {
    image.brokers.get(broker).filter(|registered| registered.is_active() && registered.endpoint(listener).is_some())
}

/// Replicas that clients of `listener` do not reach: on brokers that are fenced, gone or without that listener, or in directories that are
/// offline.
pub fn offline_replicas(image: &Image, listener: &str, partition: &Partition) -> Int32List<'static> {
    let is_online = |broker: BrokerId| {
        let registered = reached(image, listener, broker);
        registered.is_some_and(|registered| registered.has_online(partition.noted_directory(broker)))
    };
    partition.replicas.iter().filter(|broker| !is_online(**broker)).map(|broker| broker.0).collect()
}

/// What is said of a topic that does not exist.
fn missing(name: &str) -> ErrorCode {
    match topic_name::validate(name) {
        Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        Err(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
    }
}
