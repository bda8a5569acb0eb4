//! Fetch: resolves the session, reads within the budgets, waits while there is too little, folds the reply. Knows no file:
//! a partition gives a region, which goes out as it is.

mod session;

use std::sync::Arc;
use std::time::Duration;

use barnabas_protocol::messages::fetch::{
    AbortedTransaction, EpochEndOffset, FetchRequest, FetchResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use barnabas_protocol::{ErrorCode, Records};
use barnabas_types::{BrokerId, FileRegion, Offset, TopicIdPartition};
use tokio::sync::Notify;

use super::RequestContext;
use super::current_leader::{CurrentLeaders, LeaderNode, moved_or};
use crate::replica::{FetchFrom, Fetched, Isolation, Marks, Partition, Reader};
use crate::waiting::Parked;
use session::{FetchContext, TopicKey, Wanted, failed};

pub use session::FetchSessions;

/// From it on a client that asked the wrong broker is told the right one (KIP-951).
const LEADERS_VERSION: i16 = 16;

/// What all partitions of one reply were read into.
#[derive(Default)]
struct Round {
    results: Vec<PartitionData<'static>>,
    bytes: usize,
    /// Something must be told at once: an error, a diverging epoch.
    urgent: bool,
}

/// Reads, and waits for `min_bytes` until `max_wait_ms` have passed.
pub async fn handle(context: &RequestContext, request: FetchRequest<'_>) -> FetchResponse<'static> {
    let node = &context.node;
    let candidate_id = i32::from_be_bytes(node.runtime.random_bytes());
    let began = node.fetch_sessions.begin(&request, context.api_version, node.runtime.now().monotonic, candidate_id);
    let fetch = match began {
        Ok(fetch) => fetch,
        Err(error_code) => return FetchResponse { error_code, ..Default::default() },
    };
    let hosted: Vec<Result<Arc<Partition>, ErrorCode>> =
        fetch.wanted.iter().map(|wanted| resolve(context, wanted)).collect();
    let round = read_until_enough(context, &request, &fetch, &hosted).await;
    let (session_id, responses) = fetch.finish(round.results);
    let mut response = FetchResponse { session_id, responses, ..Default::default() };
    if context.api_version >= LEADERS_VERSION {
        name_leaders(context, &mut response);
    }
    response
}

/// Tells who leads the partitions that this broker does not, or leads in another epoch than the client believes.
fn name_leaders(context: &RequestContext, response: &mut FetchResponse<'_>) {
    let has_moved = |data: &PartitionData<'_>| {
        matches!(data.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER | ErrorCode::FENCED_LEADER_EPOCH)
    };
    if !response.responses.iter().flat_map(|topic| &topic.partitions).any(has_moved) {
        return;
    }
    let mut leaders = CurrentLeaders::new(context.node.image(), &context.connection.listener);
    for topic in &mut response.responses {
        for data in topic.partitions.iter_mut().filter(|data| has_moved(data)) {
            let key = TopicIdPartition { topic_id: topic.topic_id, partition: data.partition_index };
            let (leader_id, leader_epoch) = leaders.of(key);
            data.current_leader = LeaderIdAndEpoch { leader_id, leader_epoch, ..Default::default() };
        }
    }
    let endpoint = |node: LeaderNode| NodeEndpoint {
        node_id: node.id,
        host: node.host.into(),
        port: node.port,
        rack: node.rack.map(Into::into),
        ..Default::default()
    };
    response.node_endpoints = leaders.nodes().map(endpoint).collect();
}

fn resolve(context: &RequestContext, wanted: &Wanted) -> Result<Arc<Partition>, ErrorCode> {
    let image = context.node.image();
    let topic = match &wanted.topic {
        TopicKey::Id(id) => image.topics.get(*id).ok_or(ErrorCode::UNKNOWN_TOPIC_ID)?,
        TopicKey::Name(name) => image.topics.named(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?,
    };
    let key = TopicIdPartition { topic_id: topic.id, partition: wanted.partition };
    context.node.replicas.hosted(key).map_err(|code| moved_or(&image, key, code))
}

async fn read_until_enough(
    context: &RequestContext,
    request: &FetchRequest<'_>,
    fetch: &FetchContext,
    hosted: &[Result<Arc<Partition>, ErrorCode>],
) -> Round {
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = context.node.runtime.deadline(wait);
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    let waiter = Arc::new(Notify::new());
    loop {
        // Registered before reading, so that what is appended meanwhile is not missed.
        let _parked: Vec<_> =
            (hosted.iter().flatten()).map(|partition| park(partition, follower(request).is_some(), &waiter)).collect();
        let round = read_all(context, request, fetch, hosted);
        if round.urgent || round.bytes >= min_bytes {
            return round;
        }
        if follower(request).is_none() {
            // What is there and not synced yet would be enough, perhaps.
            hosted.iter().flatten().for_each(Partition::hurry_sync);
        }
        if fetch.wanted.is_empty() || wait.is_zero() {
            return round;
        }
        if tokio::time::timeout_at(deadline, waiter.notified()).await.is_err() {
            return read_all(context, request, fetch, hosted);
        }
    }
}

/// Wakes `waiter` when there is more to read: for a consumer behind the high watermark, for a follower behind the end of the log.
fn park(partition: &Arc<Partition>, for_follower: bool, waiter: &Arc<Notify>) -> Parked {
    // One that cannot say is an error when it is read, and nobody waits.
    let marks = partition.marks_in(-1);
    let past = |mark: fn(Marks) -> Offset| marks.map_or(Offset(i64::MAX), mark);
    match for_follower {
        true => partition.log_end_list().park(past(|marks| marks.log_end), waiter),
        false => partition.watermark_list().park(past(|marks| marks.high_watermark), waiter),
    }
}

/// The replica that fetches and the epoch of its registration, unless it is a consumer.
fn follower(request: &FetchRequest<'_>) -> Option<(BrokerId, i64)> {
    let state = &request.replica_state;
    let (id, epoch) =
        if state.replica_id >= 0 { (state.replica_id, state.replica_epoch) } else { (request.replica_id, -1) };
    (id >= 0).then_some((BrokerId(id), epoch))
}

fn reader(request: &FetchRequest<'_>, wanted: &Wanted) -> Reader {
    match follower(request) {
        Some((broker, broker_epoch)) => {
            Reader::Follower { broker, broker_epoch, log_start: Offset(wanted.log_start_offset) }
        }
        None => Reader::Consumer(Isolation::from_wire(request.isolation_level)),
    }
}

fn read_all(
    context: &RequestContext,
    request: &FetchRequest<'_>,
    fetch: &FetchContext,
    hosted: &[Result<Arc<Partition>, ErrorCode>],
) -> Round {
    let asked = usize::try_from(request.max_bytes).unwrap_or(0);
    let max_bytes = asked.min(context.node.config.network.fetch_max_bytes);
    let mut round = Round::default();
    for (wanted, hosted) in fetch.wanted.iter().zip(hosted) {
        let left = max_bytes.saturating_sub(round.bytes);
        let from = FetchFrom {
            offset: Offset(wanted.fetch_offset),
            current_leader_epoch: wanted.current_leader_epoch,
            last_fetched_epoch: wanted.last_fetched_epoch,
            max_bytes: u32::try_from(left).unwrap_or(u32::MAX).min(u32::try_from(wanted.max_bytes).unwrap_or(0)),
            // The reply's first batch comes whole, so that a client with small limits gets on.
            at_least_one_batch: round.bytes == 0,
            reader: reader(request, wanted),
        };
        // One that was taken away while it was waited for is gone, or elsewhere.
        let gone = |partition: &Partition, code| moved_or(&context.node.image(), partition.key, code);
        let read = |partition: &Arc<Partition>| partition.fetch(from).map_err(|code| gone(partition, code));
        let data = match hosted.as_ref().map_err(|error| *error).and_then(read) {
            Ok(fetched) => {
                round.urgent |= fetched.diverging.is_some();
                partition_data(wanted, from.reader, fetched)
            }
            Err(error) => {
                round.urgent = true;
                failed(wanted.partition, error)
            }
        };
        round.bytes += data.records.as_ref().map_or(0, Records::len);
        round.results.push(data);
    }
    round
}

fn partition_data(wanted: &Wanted, reader: Reader, fetched: Fetched) -> PartitionData<'static> {
    let records = match fetched.region {
        Some(region) => {
            Records::File(FileRegion { file: region.file, position: region.position, length: region.length as usize })
        }
        None => Records::default(),
    };
    let aborted_transactions = (fetched.aborted.iter())
        .map(|aborted| AbortedTransaction {
            producer_id: aborted.producer_id.0,
            first_offset: aborted.first_offset.0,
            ..Default::default()
        })
        .collect();
    let diverging_epoch = match fetched.diverging {
        Some(end) => EpochEndOffset { epoch: end.epoch.0, end_offset: end.end_offset.0, ..Default::default() },
        None => EpochEndOffset::default(),
    };
    PartitionData {
        partition_index: wanted.partition,
        high_watermark: fetched.marks.high_watermark.0,
        last_stable_offset: fetched.marks.last_stable_offset.0,
        log_start_offset: fetched.marks.log_start.0,
        aborted_transactions: (reader == Reader::Consumer(Isolation::ReadCommitted)).then_some(aborted_transactions),
        diverging_epoch,
        records: Some(records),
        ..Default::default()
    }
}
