//! ListOffsets: the offset of a timestamp, or of one of Kafka's special timestamps. The look-up in a log is the partition's.

use std::sync::Arc;

use barnabas_log::TimestampedOffset;
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use super::RequestContext;
use crate::replica::{Isolation, Partition, Sought};

/// Where the client stops reading: the high watermark (KIP-79), the last stable offset for read-committed ones (KIP-98).
const LATEST: i64 = -1;
/// The first offset that may be read.
const EARLIEST: i64 = -2;
/// The first record with the largest timestamp (KIP-734), from version 7.
const MAX_TIMESTAMP: i64 = -3;
/// The first offset that is not only in tiered storage (KIP-405), from version 8. Nothing is tiered here: the earliest.
const EARLIEST_LOCAL: i64 = -4;
/// The last offset in tiered storage (KIP-1005), from version 9: none.
const LATEST_TIERED: i64 = -5;
/// The first offset that waits for upload to tiered storage (KIP-1023), from version 11: none.
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// Answers every partition by itself.
pub async fn handle(context: &RequestContext, request: ListOffsetsRequest<'_>) -> ListOffsetsResponse<'static> {
    let isolation = Isolation::from_wire(request.isolation_level);
    let mut topics = Vec::new();
    for topic in &request.topics {
        let mut partitions = Vec::new();
        for asked in &topic.partitions {
            let found = match context.hosted(&topic.name, asked.partition_index) {
                Ok(partition) if request.replica_id >= 0 => of_follower(&partition, asked),
                Ok(partition) => look_up(context, partition, asked, isolation).await,
                Err(error) => Err(error),
            };
            let found = found.map_err(|code| in_version(context.api_version, code));
            partitions.push(response(context.api_version, asked.partition_index, found));
        }
        topics.push(ListOffsetsTopicResponse { name: topic.name.to_string().into(), partitions, ..Default::default() });
    }
    ListOffsetsResponse { topics, ..Default::default() }
}

/// OFFSET_NOT_AVAILABLE for clients that do not know it: another code that they retry (KIP-207).
const fn in_version(version: i16, code: ErrorCode) -> ErrorCode {
    match code {
        ErrorCode::OFFSET_NOT_AVAILABLE if version < 5 => ErrorCode::LEADER_NOT_AVAILABLE,
        code => code,
    }
}

/// A follower asks where the log begins and ends.
fn of_follower(
    partition: &Partition,
    asked: &ListOffsetsPartition<'_>,
) -> Result<Option<TimestampedOffset>, ErrorCode> {
    let marks = partition.marks_in(asked.current_leader_epoch)?;
    let offset = match asked.timestamp {
        LATEST => marks.log_end,
        EARLIEST => marks.log_start,
        _ => return Err(ErrorCode::INVALID_REQUEST),
    };
    Ok(Some(TimestampedOffset { offset, timestamp: Timestamp::NONE, leader_epoch: partition.epoch_of(offset) }))
}

async fn look_up(
    context: &RequestContext,
    partition: Arc<Partition>,
    asked: &ListOffsetsPartition<'_>,
    isolation: Isolation,
) -> Result<Option<TimestampedOffset>, ErrorCode> {
    let believed = asked.current_leader_epoch;
    let lowest_version = match asked.timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL => 8,
        LATEST_TIERED => 9,
        EARLIEST_PENDING_UPLOAD => 11,
        ..EARLIEST_PENDING_UPLOAD => return Err(ErrorCode::UNSUPPORTED_VERSION),
        _ => 0,
    };
    if context.api_version < lowest_version {
        return Err(ErrorCode::UNSUPPORTED_VERSION);
    }
    let special = |offset: Offset, leader_epoch: LeaderEpoch| {
        Some(TimestampedOffset { offset, timestamp: Timestamp::NONE, leader_epoch })
    };
    match asked.timestamp {
        LATEST => {
            let marks = partition.settled_marks_in(believed)?;
            Ok(special(marks.readable(isolation), marks.leader_epoch))
        }
        EARLIEST | EARLIEST_LOCAL => {
            let log_start = partition.marks_in(believed)?.log_start;
            Ok(special(log_start, partition.epoch_of(log_start)))
        }
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => partition.marks_in(believed).map(|_| None),
        MAX_TIMESTAMP => search(context, partition, believed, Sought::Largest, isolation).await,
        timestamp => search(context, partition, believed, Sought::From(Timestamp(timestamp)), isolation).await,
    }
}

/// A search reads the disk and decompresses a batch: not on the threads of connections.
async fn search(
    context: &RequestContext,
    partition: Arc<Partition>,
    believed: i32,
    sought: Sought,
    isolation: Isolation,
) -> Result<Option<TimestampedOffset>, ErrorCode> {
    let search = context.node.runtime.spawn_blocking(move || partition.offset_of(believed, sought, isolation));
    search.await.unwrap_or(Err(ErrorCode::UNKNOWN_SERVER_ERROR))
}

fn response(
    version: i16,
    partition_index: i32,
    found: Result<Option<TimestampedOffset>, ErrorCode>,
) -> ListOffsetsPartitionResponse<'static> {
    let nothing = ListOffsetsPartitionResponse {
        partition_index,
        timestamp: -1,
        offset: -1,
        leader_epoch: -1,
        ..Default::default()
    };
    match found {
        Ok(None) => nothing,
        Ok(Some(found)) => ListOffsetsPartitionResponse {
            timestamp: found.timestamp.0,
            offset: found.offset.0,
            leader_epoch: if version >= 4 { found.leader_epoch.0 } else { -1 },
            ..nothing
        },
        Err(error_code) => ListOffsetsPartitionResponse { error_code, ..nothing },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_do_not_know_that_an_offset_is_not_available_yet_are_told_what_they_retry_as_well() {
        let told = |version| in_version(version, ErrorCode::OFFSET_NOT_AVAILABLE);
        assert_eq!((told(4), told(5)), (ErrorCode::LEADER_NOT_AVAILABLE, ErrorCode::OFFSET_NOT_AVAILABLE));
        assert_eq!(in_version(1, ErrorCode::FENCED_LEADER_EPOCH), ErrorCode::FENCED_LEADER_EPOCH);
    }
}
