//! Asks the active controller whether this broker may stop, and whether it has caught up; what it answers, in a sentence. Decides nothing.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use barnabas_metadata::{CatchingUp, MAX_NAMED_PARTITIONS, catching_up};
use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::BrokerHeartbeatRequest;
use barnabas_protocol::own_tags::{self, NeedingPartition, StopAnswer, StopOutcome, StopQuestion};
use barnabas_types::Offset;
use tokio::time::Instant;

use super::error::ControllerError;
use super::registration::{BrokerLife, RegistrationFailed};

/// Partitions that a sentence names.
const NAMED_IN_A_SENTENCE: usize = 3;

/// An answer, and how long ago it was true at most.
#[derive(Clone, Debug, PartialEq)]
pub struct Aged<T> {
    /// What was answered.
    pub answer: T,
    /// The end of the metadata that was looked at.
    pub metadata_end: Offset,
    /// How long ago it was asked.
    pub age: Duration,
}

impl BrokerLife {
    /// Asks for the permit to stop, or gives it back.
    ///
    /// # Errors
    /// No controller of ours that has its quorum answers by `deadline`, or it knows this broker no more.
    pub async fn ask(
        &self,
        question: StopQuestion,
        deadline: Instant,
    ) -> Result<Aged<StopAnswer<'static>>, RegistrationFailed> {
        let asked = self.node().runtime.now().monotonic;
        let request = BrokerHeartbeatRequest {
            broker_id: self.node().broker_id.0,
            broker_epoch: self.epoch(),
            unknown_tags: own_tags::stop_question(question),
            ..BrokerHeartbeatRequest::default()
        };
        let response = self.node().ask_own_kind(deadline, &request, |response| response.error_code).await;
        self.is_unanswered.store(matches!(response, Err(ControllerError::TimedOut)), Ordering::Relaxed);
        let response = response?;
        match response.error_code {
            ErrorCode::NONE => {}
            ErrorCode::STALE_BROKER_EPOCH | ErrorCode::BROKER_ID_NOT_REGISTERED => {
                return Err(RegistrationFailed::Stale);
            }
            code => return Err(RegistrationFailed::Refused { code }),
        }
        let answer = own_tags::read_stop_answer(&response.unknown_tags).ok_or(ControllerError::NotOurs)?;
        let metadata_end = Offset(answer.metadata_end);
        let age = self.node().runtime.now().monotonic.saturating_sub(asked);
        Ok(Aged { answer, metadata_end, age })
    }

    /// How far this broker has come, in all metadata that there is now: the controller says where it ends, and this node looks at its own
    /// image once that is applied, so that no look at every partition burdens the controller.
    ///
    /// # Errors
    /// As [`BrokerLife::ask`]; or this node has not applied so much by `deadline`.
    pub async fn catching_up(&self, deadline: Instant) -> Result<Aged<CatchingUp>, RegistrationFailed> {
        let asked = self.node().runtime.now().monotonic;
        let end = self.ask(StopQuestion::HowFar, deadline).await?.metadata_end;
        self.applied(end, deadline).await?;
        let (image, broker) = (self.node().image(), self.node().broker_id);
        let looked = self.node().runtime.spawn_blocking(move || catching_up(&image, broker, MAX_NAMED_PARTITIONS));
        let answer = looked.await.map_err(|_| ControllerError::Stopped)?;
        Ok(Aged { answer, metadata_end: end, age: self.node().runtime.now().monotonic.saturating_sub(asked) })
    }
}

/// Why a broker may not stop; None when it may.
#[must_use]
pub fn reason_to_stay(answer: &StopAnswer<'_>) -> Option<String> {
    let seconds = answer.for_ms.saturating_add(999) / 1000;
    match StopOutcome::from_id(answer.outcome) {
        StopOutcome::Granted => None,
        StopOutcome::Needed => Some(needed(&answer.partitions, answer.partition_count)),
        StopOutcome::Held => {
            let holder = answer.held_by;
            Some(format!(
                "broker {holder} is about to stop, and one goes at a time: its permit ends within {seconds} s"
            ))
        }
        StopOutcome::MayBeHeld => Some(format!(
            "the controller has read the log for a moment only, and one before may have let another broker go: it gives permits in {seconds} s"
        )),
        StopOutcome::Unknown => {
            Some("the active controller refuses for a reason that this release does not know".to_owned())
        }
    }
}

fn needed(partitions: &[NeedingPartition<'_>], count: i32) -> String {
    let (leaders, minimums): (Vec<_>, Vec<_>) = partitions.iter().partition(|partition| partition.min_isr == 0);
    let mut sentence = match count {
        1 => "stopping this broker now would take from one partition ".to_owned(),
        count => format!("stopping this broker now would take from {count} partitions "),
    };
    let what = match (leaders.is_empty(), minimums.is_empty()) {
        (false, true) => "its only possible leader",
        (true, _) => "the replica that keeps it at min.insync.replicas",
        (false, false) => "its only possible leader, or the replica that keeps it at min.insync.replicas",
    };
    sentence.push_str(what);
    for (position, partition) in partitions.iter().take(NAMED_IN_A_SENTENCE).enumerate() {
        let before = if position == 0 { " (" } else { ", " };
        let NeedingPartition { topic, partition, isr, .. } = partition;
        // Into text, which has room.
        let _ = write!(sentence, "{before}{topic}-{partition} with {isr:?} in sync");
    }
    if !partitions.is_empty() {
        sentence.push_str(if usize::try_from(count).is_ok_and(|count| count > NAMED_IN_A_SENTENCE) {
            ", …)"
        } else {
            ")"
        });
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(outcome: StopOutcome) -> StopAnswer<'static> {
        StopAnswer {
            outcome: outcome.id(),
            metadata_end: 9,
            for_ms: 12_001,
            held_by: 3,
            partitions: Vec::new(),
            partition_count: 0,
            unknown_tags: Default::default(),
        }
    }

    fn partition(partition: i32, min_isr: i32) -> NeedingPartition<'static> {
        let unknown_tags = Default::default();
        NeedingPartition { topic: "orders".into(), partition, isr: vec![1, 2], min_isr, unknown_tags }
    }

    #[test]
    fn a_refusal_says_in_a_sentence_what_it_waits_for() {
        let reason = |answer: StopAnswer<'_>| reason_to_stay(&answer).unwrap();
        assert_eq!(reason_to_stay(&answer(StopOutcome::Granted)), None);
        assert!(reason(answer(StopOutcome::Held)).contains("broker 3 is about to stop"));
        assert!(reason(answer(StopOutcome::MayBeHeld)).contains("in 13 s"));
        assert!(reason(answer(StopOutcome::Unknown)).contains("does not know"));
        let one = StopAnswer { partitions: vec![partition(4, 2)], partition_count: 1, ..answer(StopOutcome::Needed) };
        assert_eq!(
            reason(one),
            "stopping this broker now would take from one partition the replica that keeps it at min.insync.replicas (orders-4 with [1, 2] in sync)"
        );
        let many = StopAnswer {
            partitions: (0..5).map(|id| partition(id, id % 2)).collect(),
            partition_count: 70,
            ..answer(StopOutcome::Needed)
        };
        let said = reason(many);
        for part in ["70 partitions", "only possible leader, or", "orders-2 with [1, 2] in sync, …)"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
