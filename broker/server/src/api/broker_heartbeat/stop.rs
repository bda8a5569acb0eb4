//! What a broker of ours asks beside its heartbeat: whether it may stop, and how far the metadata has come. Decided by the controller; here it
//! is put into words.

use std::time::Duration;

use barnabas_metadata::{HinderingPartition, Hindrance, Outcome, StaleBrokerEpoch, StopDecision, StopRefusal};
use barnabas_protocol::own_tags::{NeedingPartition, StopAnswer, StopOutcome, StopQuestion};
use barnabas_protocol::{ErrorCode, UnknownTags};
use barnabas_types::{BrokerId, Offset};
use tokio::time::Instant;

use super::super::RequestContext;

/// The answer to `question` of the broker with this id and epoch.
pub(super) async fn answer(
    context: &RequestContext,
    question: StopQuestion,
    (broker, epoch): (BrokerId, i64),
    deadline: Instant,
) -> Result<StopAnswer<'static>, ErrorCode> {
    let decided = context.node.controller.try_decide_committed(deadline, move |controller, decision| match question {
        StopQuestion::MayIStop => {
            let Outcome { records, response } = controller.permit_stop(decision, broker, epoch)?;
            Ok(Outcome { records, response: in_words(response) })
        }
        StopQuestion::IStay => {
            let Outcome { records, response } = controller.release_stop_permit(decision, broker, epoch)?;
            Ok(Outcome { records, response: done(response) })
        }
        StopQuestion::HowFar => {
            let Outcome { records, response } = controller.metadata_end(decision);
            Ok(Outcome { records, response: done(response) })
        }
    });
    match decided.await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(StaleBrokerEpoch { .. })) => Err(ErrorCode::STALE_BROKER_EPOCH),
        Err(error) => Err(error.code()),
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn done(metadata_end: Offset) -> StopAnswer<'static> {
    StopAnswer {
        outcome: StopOutcome::Granted.id(),
        metadata_end: metadata_end.0,
        for_ms: 0,
        held_by: BrokerId::NONE.0,
        partitions: Vec::new(),
        partition_count: 0,
        unknown_tags: UnknownTags::default(),
    }
}

fn in_words(StopDecision { metadata_end, permit }: StopDecision) -> StopAnswer<'static> {
    let answer = done(metadata_end);
    match permit {
        Ok(good_for) => StopAnswer { for_ms: milliseconds(good_for), ..answer },
        Err(StopRefusal::MayBeHeld { for_another }) => {
            StopAnswer { outcome: StopOutcome::MayBeHeld.id(), for_ms: milliseconds(for_another), ..answer }
        }
        Err(StopRefusal::Held { by, for_another }) => {
            StopAnswer { outcome: StopOutcome::Held.id(), for_ms: milliseconds(for_another), held_by: by.0, ..answer }
        }
        Err(StopRefusal::Partitions { named, count }) => StopAnswer {
            outcome: StopOutcome::Needed.id(),
            partitions: named.into_iter().map(needing).collect(),
            partition_count: i32::try_from(count).unwrap_or(i32::MAX),
            ..answer
        },
    }
}

fn needing(partition: HinderingPartition) -> NeedingPartition<'static> {
    let min_isr = match partition.hindrance {
        Hindrance::LosesLeader => 0,
        Hindrance::FallsBelowMinIsr { min_isr } => i32::try_from(min_isr).unwrap_or(i32::MAX),
    };
    NeedingPartition {
        topic: partition.topic.to_string().into(),
        partition: partition.partition,
        isr: partition.isr.iter().map(|broker| broker.0).collect(),
        min_isr,
        unknown_tags: UnknownTags::default(),
    }
}
