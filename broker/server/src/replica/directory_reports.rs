//! Carries where this broker's replicas lie to the active controller, one AssignReplicasToDirs at a time (KIP-858). Decides nothing: what is told
//! when is `barnabas_metadata`'s.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use barnabas_metadata::{DirectoryReports, Image, ReplicaPlace};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::AssignReplicasToDirsRequest;
use barnabas_protocol::messages::assign_replicas_to_dirs::{DirectoryData, PartitionData, TopicData};
use barnabas_types::{BrokerId, TopicIdPartition, Uuid};
use tokio::sync::{Notify, watch};

use crate::node::Node;

/// How long one controller or the next is waited for; then it is told again.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is still to be told, and somebody who waits for it.
#[derive(Debug)]
pub(super) struct Places {
    reports: Mutex<DirectoryReports>,
    noticed: Notify,
}

impl Places {
    pub(super) fn new(own: BrokerId) -> Self {
        Self { reports: Mutex::new(DirectoryReports::new(own)), noticed: Notify::new() }
    }

    pub(super) fn noticed(
        &self,
        image: &Image,
        places: impl Iterator<Item = (TopicIdPartition, ReplicaPlace)>,
        now: Duration,
    ) {
        let mut reports = self.reports();
        places.for_each(|(key, place)| reports.noticed(image, key, place, now));
        drop(reports);
        self.noticed.notify_one();
    }

    pub(super) fn reports(&self) -> MutexGuard<'_, DirectoryReports> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the controller until `stop`.
pub async fn carry(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    let surroundings = Arc::clone(node.replicas.surroundings());
    let places = &surroundings.places;
    loop {
        let now = || surroundings.now().monotonic;
        let due = places.reports().next_deadline().map(|due| due.saturating_sub(now()));
        let is_due = async {
            match due {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            () = places.noticed.notified() => {}
            () = is_due => {}
        }
        let replicas = places.reports().next_request(&node.image(), now());
        if replicas.is_empty() {
            continue;
        }
        let done = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            done = ask(&node, &replicas) => done,
        };
        let left_out = places.reports().answered(&done, now());
        if left_out > 0 {
            tracing::warn!(
                replicas = left_out,
                "the controller has not noted in which log directories these replicas lie; it is told again"
            );
        }
    }
}

/// Tells where the replicas lie, and returns those that the controller has noted.
async fn ask(node: &Arc<Node>, replicas: &[(Uuid, TopicIdPartition)]) -> BTreeSet<TopicIdPartition> {
    let request = request(node, replicas);
    let deadline = node.runtime.deadline(PATIENCE);
    let answered = node.ask_controller(deadline, &request, |response| response.error_code).await;
    let mut done = BTreeSet::new();
    match answered {
        Ok(response) if response.error_code == ErrorCode::NONE => {
            for topic in response.directories.into_iter().flat_map(|directory| directory.topics) {
                for answered in topic.partitions {
                    let key = TopicIdPartition { topic_id: topic.topic_id, partition: answered.partition_index };
                    match answered.error_code {
                        ErrorCode::NONE => _ = done.insert(key),
                        code => {
                            tracing::debug!(topic = %key.topic_id, key.partition, %code, "a replica's directory was not noted")
                        }
                    }
                }
            }
        }
        Ok(response) => tracing::warn!(code = %response.error_code, "the controller notes no directories of replicas"),
        Err(error) => tracing::debug!(%error, "the controller could not be told of directories"),
    }
    done
}

fn request(node: &Node, replicas: &[(Uuid, TopicIdPartition)]) -> AssignReplicasToDirsRequest<'static> {
    let mut directories: Vec<DirectoryData<'static>> = Vec::new();
    for &(id, key) in replicas {
        if directories.last().is_none_or(|last| last.id != id) {
            directories.push(DirectoryData { id, ..Default::default() });
        }
        let Some(directory) = directories.last_mut() else { continue };
        if directory.topics.last().is_none_or(|last| last.topic_id != key.topic_id) {
            directory.topics.push(TopicData { topic_id: key.topic_id, ..Default::default() });
        }
        let Some(topic) = directory.topics.last_mut() else { continue };
        topic.partitions.push(PartitionData { partition_index: key.partition, ..Default::default() });
    }
    AssignReplicasToDirsRequest {
        broker_id: node.broker_id.0,
        broker_epoch: node.replicas.surroundings().own_epoch(),
        directories,
        ..Default::default()
    }
}
