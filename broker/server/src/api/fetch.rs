//! Fetch: resolves the session, reads within the budgets, waits while there is too little, folds the reply. Knows no file:
//! a partition gives a region, which goes out as it is.

mod session;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use barnabas_protocol::messages::fetch::{
    AbortedTransaction, EpochEndOffset, FetchRequest, FetchResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
};
use barnabas_protocol::{ErrorCode, Records};
use barnabas_types::{FileRegion, Offset, TopicIdPartition};

use super::RequestContext;
use super::current_leader::{CurrentLeaders, LeaderNode, moved_or};
use crate::replica::{FetchFrom, Fetched, Isolation, Partition, Reader};
use session::{FetchContext, TopicKey, Wanted, failed, follower};

pub use session::FetchSessions;

/// From it on a client that asked the wrong broker is told the right one (KIP-951).
const LEADERS_VERSION: i16 = 16;

/// What came of reading.
#[derive(Default)]
struct Round {
    /// Of the whole reply.
    bytes: usize,
    /// What was read for a consumer.
    consumed: Vec<Arc<Partition>>,
    /// Something must be told at once: an error, a diverging epoch.
    urgent: bool,
}

/// Reads, and waits for `min_bytes` until `max_wait_ms` have passed.
pub async fn handle(context: &RequestContext, request: FetchRequest<'_>) -> FetchResponse<'static> {
    let node = &context.node;
    notice_follower(context, &request);
    let candidate_id = i32::from_be_bytes(node.runtime.random_bytes());
    let began = node.fetch_sessions.begin(&request, context.api_version, node.runtime.now().monotonic, candidate_id);
    let mut fetch = match began {
        Ok(fetch) => fetch,
        Err(error_code) => return FetchResponse { error_code, ..Default::default() },
    };
    read_until_enough(context, &request, &mut fetch).await;
    let (session_id, responses) = fetch.finish();
    let mut response = FetchResponse { session_id, responses, ..Default::default() };
    if context.api_version >= LEADERS_VERSION {
        name_leaders(context, &mut response);
    }
    response
}

/// The connections of other brokers have memory of their own from their first Fetch on.
fn notice_follower(context: &RequestContext, request: &FetchRequest<'_>) {
    if let Some((broker, _)) = follower(request)
        && !context.connection.is_followers()
        && context.node.image().brokers.get(broker).is_some()
    {
        context.connection.of_follower.store(true, Ordering::Relaxed);
    }
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

async fn read_until_enough(context: &RequestContext, request: &FetchRequest<'_>, fetch: &mut FetchContext) {
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = context.node.runtime.deadline(wait);
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    let news = Arc::clone(fetch.news());
    let _waiting = news.begin_waiting();
    loop {
        let round = read_unread(context, request, fetch);
        if round.urgent || round.bytes >= min_bytes {
            return;
        }
        // What is there and not synced yet would be enough, perhaps.
        round.consumed.iter().for_each(Partition::hurry_sync);
        if fetch.is_empty() || wait.is_zero() {
            return;
        }
        if fetch.watch(|wanted| Some(Arc::clone(resolve(context, wanted).ok()?.watchers()))) {
            continue;
        }
        let is_late = tokio::time::timeout_at(deadline, news.come()).await.is_err();
        if news.is_ended() {
            return;
        }
        fetch.take_news();
        if is_late {
            read_unread(context, request, fetch);
            return;
        }
    }
}

fn reader(request: &FetchRequest<'_>, wanted: &Wanted) -> Reader {
    match follower(request) {
        Some((broker, broker_epoch)) => {
            Reader::Follower { broker, broker_epoch, log_start: Offset(wanted.log_start_offset) }
        }
        None => Reader::Consumer(Isolation::from_wire(request.isolation_level)),
    }
}

/// Reads what was not read yet, or has moved since.
fn read_unread(context: &RequestContext, request: &FetchRequest<'_>, fetch: &mut FetchContext) -> Round {
    let node = &context.node;
    let asked = usize::try_from(request.max_bytes).unwrap_or(0);
    let max_bytes = asked.min(node.config.network.fetch_max_bytes);
    let mut round = Round::default();
    let (urgent, consumed) = (&mut round.urgent, &mut round.consumed);
    node.fetch_sessions.visits(fetch.unread());
    let read = |wanted: &Wanted, hosted: &Result<Arc<Partition>, ErrorCode>, bytes: usize| {
        let left = max_bytes.saturating_sub(bytes);
        let from = FetchFrom {
            offset: Offset(wanted.fetch_offset),
            current_leader_epoch: wanted.current_leader_epoch,
            last_fetched_epoch: wanted.last_fetched_epoch,
            max_bytes: u32::try_from(left).unwrap_or(u32::MAX).min(u32::try_from(wanted.max_bytes).unwrap_or(0)),
            // The reply's first batch comes whole, so that a client with small limits gets on.
            at_least_one_batch: bytes == 0,
            reader: reader(request, wanted),
        };
        // One that was taken away while it was waited for is gone, or elsewhere.
        let gone = |partition: &Partition, code| moved_or(&node.image(), partition.key, code);
        let read = |partition: &Arc<Partition>| {
            if matches!(from.reader, Reader::Consumer(_)) {
                consumed.push(Arc::clone(partition));
            }
            partition.fetch(from).map_err(|code| gone(partition, code))
        };
        match hosted.as_ref().map_err(|error| *error).and_then(read) {
            Ok(fetched) => {
                let is_parted = fetched.diverging.is_some();
                *urgent |= is_parted;
                // Whatever moves later is noted; what is there already is not.
                let has_more = from.offset < from.reader.end(&fetched.marks);
                (partition_data(wanted, from.reader, fetched), is_parted || has_more)
            }
            Err(error) => {
                *urgent = true;
                (failed(wanted.partition, error), true)
            }
        }
    };
    let resolve = |wanted: &Wanted| resolve(context, wanted);
    round.bytes = fetch.read(resolve, |hosted| Some(hosted.as_ref().ok()?.watchers()), read);
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

#[cfg(test)]
mod tests;
