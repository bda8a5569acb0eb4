//! Tells logs what happens to groups. Counts nothing and decides nothing.

use barnabas_coordinator::group::Event;

/// One line per event: rebalances as information, the rest in detail.
pub fn report(event: &Event) {
    match event {
        Event::RebalanceStarted { group_id, generation, reason } => {
            tracing::info!(group = %group_id, generation, ?reason, "rebalance begins");
        }
        Event::GenerationBegun { group_id, generation, members } => {
            tracing::info!(group = %group_id, generation, members, "generation begins");
        }
        Event::RebalanceCompleted { group_id, generation } => {
            tracing::info!(group = %group_id, generation, "rebalance ends");
        }
        Event::GroupEmptied { group_id, generation } => {
            tracing::info!(group = %group_id, generation, "group has no members any more");
        }
        Event::NobodyJoined { group_id } => {
            tracing::warn!(group = %group_id, "no member came back to a rebalance in time; it goes on");
        }
        Event::MemberRemoved { group_id, member_id, reason } => {
            tracing::info!(group = %group_id, member = %member_id, ?reason, "member removed");
        }
        Event::OffsetsRemoved { count } => tracing::info!(count, "offsets expired or gone with their topic"),
        Event::GroupsDeleted { count } => tracing::info!(count, "groups deleted"),
    }
}
