//! Tagged fields (KIP-482) that our nodes put into Kafka's messages for each other: all of them stand here. Their numbers are far from
//! Kafka's, which count from 0, and who does not know them passes over them. None may change what a message means to Apache Kafka.

mod stop;

use barnabas_types::Uuid;
pub use stop::{
    NeedingPartition, StopAnswer, StopOutcome, StopQuestion, read_stop_answer, read_stop_question, stop_answer,
    stop_question,
};

use crate::wire::UnknownTags;

/// In the ApiVersionsResponse of a controller's listener, empty: it gives an id to a broker that registers without one.
const GIVES_BROKER_IDS: u32 = 10_000;
/// In the BrokerRegistrationResponse to a broker without an id, an INT32: the id that it has been given.
const GIVEN_BROKER_ID: u32 = 10_001;
/// In an ApiVersionsRequest, empty: who answers is to say which node it is.
const ASKS_WHO: u32 = 10_004;
/// In the ApiVersionsResponse to that, an INT32 and a UUID: `node.id`, and this start of the process.
const WHO: u32 = 10_005;
/// In the ApiVersionsResponse of a controller's listener, empty: it takes heartbeats that say no more than that the broker is there.
const TAKES_PULSES: u32 = 10_006;
/// In a BrokerHeartbeatRequest, empty: such a heartbeat. It is answered at once and decided on by nobody.
const PULSE: u32 = 10_007;

/// In a NoOpRecord of the metadata log, an INT32 and an INT64: the broker, of this epoch, that holds the permit to stop; -1 and -1 where the
/// one that held it has given it back.
const STOP_PERMIT: u32 = 10_008;

/// The tags of a NoOpRecord that says who holds the permit to stop.
#[must_use]
pub fn stop_permit(broker: i32, broker_epoch: i64) -> UnknownTags<'static> {
    UnknownTags::single(STOP_PERMIT, &[broker.to_be_bytes().as_slice(), broker_epoch.to_be_bytes().as_slice()].concat())
}

/// Who a NoOpRecord says that holds the permit to stop; None where it does not say, or not in the form that it has here.
#[must_use]
pub fn read_stop_permit(tags: &UnknownTags<'_>) -> Option<(i32, i64)> {
    let (_, value) = tags.iter().find(|(tag, _)| *tag == STOP_PERMIT)?;
    let (broker, epoch) = value.split_first_chunk::<4>()?;
    Some((i32::from_be_bytes(*broker), i64::from_be_bytes(<[u8; 8]>::try_from(epoch).ok()?)))
}

/// The tags of the ApiVersionsResponse of a controller's listener, which gives ids, and may take pulses.
#[must_use]
pub fn of_controller(takes_pulses: bool) -> UnknownTags<'static> {
    let tags = UnknownTags::single(GIVES_BROKER_IDS, &[]);
    if takes_pulses { tags.and(TAKES_PULSES, &[]) } else { tags }
}

/// Whether an ApiVersionsResponse says that pulses are taken.
#[must_use]
pub fn are_pulses_taken(tags: &UnknownTags<'_>) -> bool {
    has(tags, TAKES_PULSES)
}

/// The tags of a BrokerHeartbeatRequest that is a pulse.
#[must_use]
pub fn pulse() -> UnknownTags<'static> {
    UnknownTags::single(PULSE, &[])
}

/// Whether a BrokerHeartbeatRequest is a pulse.
#[must_use]
pub fn is_pulse(tags: &UnknownTags<'_>) -> bool {
    has(tags, PULSE)
}

/// The tags of an ApiVersionsRequest that asks who answers.
#[must_use]
pub fn asks_who() -> UnknownTags<'static> {
    UnknownTags::single(ASKS_WHO, &[])
}

/// Whether an ApiVersionsRequest asks that.
#[must_use]
pub fn is_asked_who(tags: &UnknownTags<'_>) -> bool {
    has(tags, ASKS_WHO)
}

/// The tags of an ApiVersionsResponse that says who answers.
#[must_use]
pub fn who(node_id: i32, incarnation_id: Uuid) -> UnknownTags<'static> {
    UnknownTags::single(WHO, &[node_id.to_be_bytes().as_slice(), incarnation_id.0.as_slice()].concat())
}

/// Who an ApiVersionsResponse says that it is; None where it does not, or not in the form that it has here.
#[must_use]
pub fn read_who(tags: &UnknownTags<'_>) -> Option<(i32, Uuid)> {
    let (_, value) = tags.iter().find(|(tag, _)| *tag == WHO)?;
    let (id, incarnation) = value.split_first_chunk::<4>()?;
    let incarnation = <[u8; 16]>::try_from(incarnation).ok()?;
    Some((i32::from_be_bytes(*id), Uuid(incarnation)))
}

fn has(tags: &UnknownTags<'_>, wanted: u32) -> bool {
    tags.iter().any(|(tag, _)| tag == wanted)
}

/// Whether an ApiVersionsResponse says so.
#[must_use]
pub fn are_broker_ids_given(tags: &UnknownTags<'_>) -> bool {
    has(tags, GIVES_BROKER_IDS)
}

/// Whether an ApiVersionsResponse is that of a controller of ours, which may be asked what Apache Kafka's does not know.
#[must_use]
pub fn is_ours(tags: &UnknownTags<'_>) -> bool {
    are_broker_ids_given(tags)
}

/// The tags of a BrokerRegistrationResponse that gives `id`.
#[must_use]
pub fn given_broker_id(id: i32) -> UnknownTags<'static> {
    UnknownTags::single(GIVEN_BROKER_ID, &id.to_be_bytes())
}

/// The id that a BrokerRegistrationResponse gives; None where it gives none, or not in the form that it has here.
#[must_use]
pub fn read_given_broker_id(tags: &UnknownTags<'_>) -> Option<i32> {
    let (_, value) = tags.iter().find(|(tag, _)| *tag == GIVEN_BROKER_ID)?;
    <[u8; 4]>::try_from(value).ok().map(i32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use barnabas_types::Segment;

    use super::*;
    use crate::messages::{
        ApiVersionsRequest, ApiVersionsResponse, BrokerHeartbeatRequest, BrokerRegistrationResponse,
    };
    use crate::{Encode, Message, Reader};

    fn encoded(message: &(impl Message + Encode), version: i16) -> Vec<u8> {
        let segments = message.encode(version).unwrap();
        let bytes = segments.iter().map(|segment| match segment {
            Segment::Bytes(bytes) => bytes.to_vec(),
            Segment::File(_) => panic!("no file in an answer"),
        });
        bytes.collect::<Vec<_>>().concat()
    }

    #[test]
    fn a_record_says_who_holds_the_permit_to_stop_and_one_that_is_cut_says_nothing() {
        let tags = stop_permit(7, 1 << 40);
        assert_eq!(read_stop_permit(&tags), Some((7, 1 << 40)));
        assert_eq!(read_stop_permit(&stop_permit(-1, -1)), Some((-1, -1)));
        for wrong in
            [UnknownTags::default(), UnknownTags::single(STOP_PERMIT, &[0; 11]), UnknownTags::single(1, &[0; 12])]
        {
            assert_eq!(read_stop_permit(&wrong), None);
        }
    }

    #[test]
    fn a_node_reads_what_another_has_put_into_an_answer() {
        let response = BrokerRegistrationResponse {
            broker_epoch: 7,
            unknown_tags: given_broker_id(1001),
            ..BrokerRegistrationResponse::default()
        };
        let bytes = encoded(&response, 3);
        let read = BrokerRegistrationResponse::decode(&mut Reader::new(&bytes), 3).unwrap();
        assert_eq!(read, response);
        assert_eq!(read_given_broker_id(&read.unknown_tags), Some(1001));
        assert!(!are_broker_ids_given(&read.unknown_tags));
        let versions = ApiVersionsResponse { unknown_tags: of_controller(true), ..ApiVersionsResponse::default() };
        let bytes = encoded(&versions, 4);
        let read = ApiVersionsResponse::decode(&mut Reader::new(&bytes), 4).unwrap();
        assert!(are_broker_ids_given(&read.unknown_tags) && are_pulses_taken(&read.unknown_tags));
        assert!(are_broker_ids_given(&of_controller(false)) && !are_pulses_taken(&of_controller(false)));
    }

    #[test]
    fn a_node_says_which_it_is_when_it_is_asked() {
        let request = ApiVersionsRequest { unknown_tags: asks_who(), ..ApiVersionsRequest::default() };
        let bytes = encoded(&request, 3);
        let read = ApiVersionsRequest::decode(&mut Reader::new(&bytes), 3).unwrap();
        assert!(is_asked_who(&read.unknown_tags) && !is_pulse(&read.unknown_tags));
        let process = Uuid::from_u128(77);
        let response = ApiVersionsResponse { unknown_tags: who(3, process), ..ApiVersionsResponse::default() };
        let bytes = encoded(&response, 3);
        let read = ApiVersionsResponse::decode(&mut Reader::new(&bytes), 3).unwrap();
        assert_eq!(read_who(&read.unknown_tags), Some((3, process)));
        for value in [&[0; 3][..], &[0; 19], &[0; 21]] {
            assert_eq!(read_who(&UnknownTags::single(WHO, value)), None);
        }
        let pulse = BrokerHeartbeatRequest { unknown_tags: pulse(), ..BrokerHeartbeatRequest::default() };
        let bytes = encoded(&pulse, 1);
        assert!(is_pulse(&BrokerHeartbeatRequest::decode(&mut Reader::new(&bytes), 1).unwrap().unknown_tags));
    }

    #[test]
    fn an_id_in_another_form_is_none() {
        for value in [&[][..], &[0, 0, 3], &[0, 0, 3, 0xe9, 0]] {
            assert_eq!(read_given_broker_id(&UnknownTags::single(GIVEN_BROKER_ID, value)), None, "{value:?}");
        }
        assert_eq!(read_given_broker_id(&UnknownTags::default()), None);
        assert_eq!(read_given_broker_id(&UnknownTags::single(0, &1001_i32.to_be_bytes())), None);
        assert_eq!(read_given_broker_id(&given_broker_id(-5)), Some(-5), "whether it is one is for who asked to judge");
    }
}
