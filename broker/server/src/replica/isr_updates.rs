//! Carries changes of ISRs to the active controller, many partitions in one AlterPartition, one request at a time, and its answers back.
//! Decides nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::AlterPartitionRequest;
use barnabas_protocol::messages::alter_partition::{BrokerState, PartitionData, PartitionDataResult, TopicData};
use barnabas_replica::{AlterAnswer, AlterRefusal, LeaderRecoveryState};
use barnabas_types::{BrokerId, LeaderEpoch, TopicIdPartition};
use tokio::sync::watch;

use super::Partition;
use super::roles::Again;
use super::surroundings::Proposal;
use crate::node::Node;

/// How long one controller or the next is waited for; then the partitions ask again.
const PATIENCE: Duration = Duration::from_secs(10);
/// A little longer than a replica waits until it asks again.
const RETRY: Duration = Duration::from_millis(60);
/// How often replicas look who lags, at least.
const LONGEST_LOOK: Duration = Duration::from_secs(15);

/// Carries proposals until `stop`.
pub async fn carry(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    let surroundings = Arc::clone(node.replicas.surroundings());
    loop {
        let proposals = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            proposals = surroundings.proposals() => proposals,
        };
        let answered = ask(&node, &proposals);
        let failed = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            failed = answered => failed,
        };
        if !failed.is_empty() {
            let (node, runtime) = (Arc::clone(&node), node.runtime.clone());
            let again = async move {
                tokio::time::sleep(RETRY).await;
                let hosted = failed.into_iter().filter_map(|key| node.replicas.get(key));
                hosted.for_each(|partition| partition.look_again(Again::TimePassed));
            };
            runtime.spawn_data(again);
        }
    }
}

/// Has every replica look whether a follower lags, in time for `replica.lag.time.max.ms`, and those look again whose lock was held, until `stop`.
pub async fn look_for_lag(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {}
        () = look_now_and_then(&node) => {}
        () = look_where_the_lock_was_held(&node) => {}
    }
}

async fn look_now_and_then(node: &Node) {
    let lag = Duration::from_millis(node.config.replication.lag_time_max_ms);
    let interval = (lag / 2).clamp(Duration::from_millis(1), LONGEST_LOOK);
    loop {
        tokio::time::sleep(interval).await;
        node.replicas.all().iter().for_each(|partition| partition.look_again(Again::TimePassed));
    }
}

async fn look_where_the_lock_was_held(node: &Node) {
    loop {
        let missed = node.replicas.surroundings().missed_looks().await;
        tokio::time::sleep(RETRY).await;
        for (key, again) in missed {
            if let Some(partition) = node.replicas.get(key) {
                partition.look_again(again);
            }
        }
    }
}

/// Asks for all of them, hands the answers out, and returns the partitions whose proposal was not done.
async fn ask(node: &Arc<Node>, proposals: &BTreeMap<TopicIdPartition, Proposal>) -> Vec<TopicIdPartition> {
    let request = request(node, proposals);
    let deadline = node.runtime.deadline(PATIENCE);
    let answered = node.ask_controller(deadline, &request, |response| response.error_code).await;
    let mut results: BTreeMap<TopicIdPartition, Result<PartitionDataResult<'static>, AlterRefusal>> = BTreeMap::new();
    let of_all = match answered {
        Ok(response) if response.error_code == ErrorCode::NONE => {
            for topic in response.topics {
                for partition in topic.partitions {
                    let key = TopicIdPartition { topic_id: topic.topic_id, partition: partition.partition_index };
                    let refused = (partition.error_code != ErrorCode::NONE).then(|| refusal(partition.error_code));
                    results.insert(key, refused.map_or(Ok(partition), Err));
                }
            }
            AlterRefusal::NoAnswer
        }
        Ok(response) => refusal(response.error_code),
        Err(error) => {
            tracing::debug!(%error, "changes of ISRs could not be asked for");
            AlterRefusal::NoAnswer
        }
    };
    let mut failed = Vec::new();
    for (&key, proposal) in proposals {
        let Some(partition) = node.replicas.get(key) else { continue };
        match results.remove(&key).unwrap_or(Err(of_all)) {
            Ok(result) => {
                let isr: Vec<BrokerId> = result.isr.iter().map(|&id| BrokerId(id)).collect();
                let (leader_epoch, partition_epoch) = (LeaderEpoch(result.leader_epoch), result.partition_epoch);
                let number = proposal.number;
                hand_in(node, &partition, move |partition| {
                    partition.altered(number, AlterAnswer::Altered { leader_epoch, partition_epoch, isr: &isr });
                });
            }
            Err(refusal) => {
                let number = proposal.number;
                hand_in(node, &partition, move |partition| partition.altered(number, AlterAnswer::Refused(refusal)));
                failed.push(key);
            }
        }
    }
    failed
}

/// An answer must not be lost, and its partition's lock may be held by a write that hangs: then a thread waits that may. There is one at most
/// for each partition: while it waits, the partition asks nothing.
fn hand_in(node: &Node, partition: &Arc<Partition>, answer: impl FnOnce(&Partition) + Send + 'static) {
    if !partition.is_held() {
        return answer(partition);
    }
    let partition = Arc::clone(partition);
    // Nobody waits for it.
    drop(node.runtime.spawn_blocking(move || answer(&partition)));
}

fn request(node: &Node, proposals: &BTreeMap<TopicIdPartition, Proposal>) -> AlterPartitionRequest<'static> {
    let mut topics: Vec<TopicData<'static>> = Vec::new();
    for (key, proposal) in proposals {
        let members = proposal.isr.iter().map(|member| BrokerState {
            broker_id: member.broker.0,
            broker_epoch: member.broker_epoch,
            ..Default::default()
        });
        let partition = PartitionData {
            partition_index: key.partition,
            leader_epoch: proposal.leader_epoch.0,
            new_isr_with_epochs: members.collect(),
            leader_recovery_state: i8::from(proposal.recovery == LeaderRecoveryState::Recovering),
            partition_epoch: proposal.partition_epoch,
            ..Default::default()
        };
        match topics.last_mut().filter(|topic| topic.topic_id == key.topic_id) {
            Some(topic) => topic.partitions.push(partition),
            None => {
                topics.push(TopicData { topic_id: key.topic_id, partitions: vec![partition], ..Default::default() });
            }
        }
    }
    AlterPartitionRequest {
        broker_id: node.broker_id.0,
        broker_epoch: node.replicas.surroundings().own_epoch(),
        topics,
        ..Default::default()
    }
}

const fn refusal(code: ErrorCode) -> AlterRefusal {
    match code {
        ErrorCode::INVALID_UPDATE_VERSION => AlterRefusal::InvalidUpdateVersion,
        ErrorCode::FENCED_LEADER_EPOCH => AlterRefusal::FencedLeaderEpoch,
        ErrorCode::NEW_LEADER_ELECTED => AlterRefusal::NewLeaderElected,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => AlterRefusal::UnknownTopicOrPartition,
        ErrorCode::UNKNOWN_TOPIC_ID => AlterRefusal::UnknownTopicId,
        ErrorCode::INVALID_REQUEST => AlterRefusal::InvalidRequest,
        ErrorCode::INELIGIBLE_REPLICA => AlterRefusal::IneligibleReplica,
        ErrorCode::OPERATION_NOT_ATTEMPTED => AlterRefusal::OperationNotAttempted,
        ErrorCode::NOT_CONTROLLER => AlterRefusal::NotController,
        ErrorCode::STALE_BROKER_EPOCH => AlterRefusal::StaleBrokerEpoch,
        code => AlterRefusal::Other(code.0),
    }
}
