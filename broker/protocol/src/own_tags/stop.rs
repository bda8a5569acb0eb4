//! May this broker stop? What a broker asks the active controller in a BrokerHeartbeat that is none, and the answer. Only a controller of ours
//! is asked: any other would take it for an ordinary heartbeat, and answer nothing.

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Segment;

use crate::{IntoOwned, Message as _, Reader, UnknownTags};

/// In the BrokerHeartbeatRequest, an INT8: what is asked.
const STOP_QUESTION: u32 = 10_002;
/// In the BrokerHeartbeatResponse, a [`StopAnswer`] in version 0.
const STOP_ANSWER: u32 = 10_003;
/// The version of the answer. What comes later comes as tagged fields.
const VERSION: i16 = 0;

/// What a broker asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopQuestion {
    /// For the permit to stop.
    MayIStop,
    /// That its permit be taken back.
    IStay,
    /// How far the metadata has come.
    HowFar,
}

impl StopQuestion {
    const fn id(self) -> u8 {
        match self {
            Self::MayIStop => 0,
            Self::IStay => 1,
            Self::HowFar => 2,
        }
    }

    const fn from_id(id: u8) -> Option<Self> {
        match id {
            0 => Some(Self::MayIStop),
            1 => Some(Self::IStay),
            2 => Some(Self::HowFar),
            _ => None,
        }
    }
}

/// What came of it, in [`StopAnswer::outcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOutcome {
    /// It may stop, or what else it asked is done.
    Granted,
    /// Partitions need it.
    Needed,
    /// Another broker may stop.
    Held,
    /// Another broker may have been told by the controller before that it may stop.
    MayBeHeld,
    /// What a later release says.
    Unknown,
}

impl StopOutcome {
    /// Its number in the answer.
    #[must_use]
    pub const fn id(self) -> i8 {
        match self {
            Self::Granted => 0,
            Self::Needed => 1,
            Self::Held => 2,
            Self::MayBeHeld => 3,
            Self::Unknown => -1,
        }
    }

    /// What `id` says.
    #[must_use]
    pub const fn from_id(id: i8) -> Self {
        match id {
            0 => Self::Granted,
            1 => Self::Needed,
            2 => Self::Held,
            3 => Self::MayBeHeld,
            _ => Self::Unknown,
        }
    }
}

/// The answer of the active controller.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct StopAnswer<'a> {
    /// A [`StopOutcome`].
    pub outcome: i8,
    /// The end of the metadata that was looked at.
    pub metadata_end: i64,
    /// For how long the permit is good, or somebody else's; 0 where there is none.
    pub for_ms: i64,
    /// Who has it instead, or -1.
    #[field(default = -1)]
    pub held_by: i32,
    /// Some of the partitions that need the broker.
    pub partitions: Vec<NeedingPartition<'a>>,
    /// How many there are.
    pub partition_count: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A partition that needs the broker.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct NeedingPartition<'a> {
    /// The topic's name.
    pub topic: Cow<'a, str>,
    /// The partition.
    pub partition: i32,
    /// Who is in sync.
    pub isr: Vec<i32>,
    /// `min.insync.replicas` where the partition would fall below it, 0 where it would lose its leader.
    pub min_isr: i32,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The tags of a heartbeat that asks `question`.
#[must_use]
pub fn stop_question(question: StopQuestion) -> UnknownTags<'static> {
    UnknownTags::single(STOP_QUESTION, &[question.id()])
}

/// What it asks; None where it is an ordinary heartbeat, or asks something that is not known here.
#[must_use]
pub fn read_stop_question(tags: &UnknownTags<'_>) -> Option<StopQuestion> {
    let (_, value) = tags.iter().find(|(tag, _)| *tag == STOP_QUESTION)?;
    match value {
        [id] => StopQuestion::from_id(*id),
        _ => None,
    }
}

/// The tags of the answer to a heartbeat that says `answer`; none in case it cannot be written.
#[must_use]
pub fn stop_answer(answer: &StopAnswer<'_>) -> UnknownTags<'static> {
    let Ok(segments) = answer.encode(VERSION) else { return UnknownTags::default() };
    let mut bytes = Vec::with_capacity(segments.len());
    for segment in segments {
        if let Segment::Bytes(piece) = segment {
            bytes.extend_from_slice(&piece);
        }
    }
    UnknownTags::single(STOP_ANSWER, &bytes)
}

/// What the answer to a heartbeat says; None where it says nothing, or not in the form that it has here.
#[must_use]
pub fn read_stop_answer(tags: &UnknownTags<'_>) -> Option<StopAnswer<'static>> {
    let (_, value) = tags.iter().find(|(tag, _)| *tag == STOP_ANSWER)?;
    let mut reader = Reader::new(value);
    let answer = StopAnswer::decode(&mut reader, VERSION).ok()?.into_owned();
    reader.finish().ok()?;
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> StopAnswer<'static> {
        let partition = NeedingPartition {
            topic: "orders".into(),
            partition: 3,
            isr: vec![1, 2],
            min_isr: 2,
            unknown_tags: UnknownTags::default(),
        };
        StopAnswer {
            outcome: StopOutcome::Needed.id(),
            metadata_end: 77,
            for_ms: 0,
            held_by: -1,
            partitions: vec![partition],
            partition_count: 9,
            unknown_tags: UnknownTags::default(),
        }
    }

    #[test]
    fn a_question_and_its_answer_come_back_as_they_were() {
        for question in [StopQuestion::MayIStop, StopQuestion::IStay, StopQuestion::HowFar] {
            assert_eq!(read_stop_question(&stop_question(question)), Some(question));
        }
        assert_eq!(read_stop_answer(&stop_answer(&answer())), Some(answer()));
        for outcome in [StopOutcome::Granted, StopOutcome::Needed, StopOutcome::Held, StopOutcome::MayBeHeld] {
            assert_eq!(StopOutcome::from_id(outcome.id()), outcome);
        }
        assert_eq!(StopOutcome::from_id(99), StopOutcome::Unknown);
    }

    #[test]
    fn what_has_another_form_is_no_question_and_no_answer() {
        for value in [&[][..], &[9], &[0, 0]] {
            assert_eq!(read_stop_question(&UnknownTags::single(STOP_QUESTION, value)), None, "{value:?}");
        }
        assert_eq!(read_stop_question(&UnknownTags::default()), None);
        let tags = stop_answer(&answer());
        let (_, whole) = tags.iter().next().unwrap();
        for end in 0..whole.len() {
            assert_eq!(read_stop_answer(&UnknownTags::single(STOP_ANSWER, &whole[..end])), None, "{end} bytes");
        }
        let longer = [whole, &[0]].concat();
        assert_eq!(read_stop_answer(&UnknownTags::single(STOP_ANSWER, &longer)), None);
    }
}
