//! OffsetForLeaderEpoch: where a leader epoch ended, for clients that check whether their position still exists (KIP-320).

use barnabas_protocol::messages::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderTopicResult,
};
use barnabas_types::LeaderEpoch;

use super::RequestContext;

/// Answers every partition by itself; an epoch that is not known here is answered with -1.
pub async fn handle(
    context: &RequestContext,
    request: OffsetForLeaderEpochRequest<'_>,
) -> OffsetForLeaderEpochResponse<'static> {
    let mut topics = Vec::new();
    for topic in &request.topics {
        let mut partitions = Vec::new();
        for asked in &topic.partitions {
            let ended = context
                .hosted(&topic.topic, asked.partition)
                .and_then(|partition| partition.epoch_end(asked.current_leader_epoch, LeaderEpoch(asked.leader_epoch)));
            let unknown =
                EpochEndOffset { partition: asked.partition, leader_epoch: -1, end_offset: -1, ..Default::default() };
            partitions.push(match ended {
                Ok(Some(end)) => EpochEndOffset { leader_epoch: end.epoch.0, end_offset: end.end_offset.0, ..unknown },
                Ok(None) => unknown,
                Err(error_code) => EpochEndOffset { error_code, ..unknown },
            });
        }
        topics.push(OffsetForLeaderTopicResult {
            topic: topic.topic.to_string().into(),
            partitions,
            ..Default::default()
        });
    }
    OffsetForLeaderEpochResponse { topics, ..Default::default() }
}
