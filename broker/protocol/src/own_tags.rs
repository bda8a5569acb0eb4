//! Tagged fields (KIP-482) that our nodes put into Kafka's messages for each other: all of them stand here. Their numbers are far from
//! Kafka's, which count from 0, and who does not know them passes over them. None may change what a message means to Apache Kafka.

mod stop;

pub use stop::{
    NeedingPartition, StopAnswer, StopOutcome, StopQuestion, read_stop_answer, read_stop_question, stop_answer,
    stop_question,
};

use crate::wire::UnknownTags;

/// In the ApiVersionsResponse of a controller's listener, empty: it gives an id to a broker that registers without one.
const GIVES_BROKER_IDS: u32 = 10_000;
/// In the BrokerRegistrationResponse to a broker without an id, an INT32: the id that it has been given.
const GIVEN_BROKER_ID: u32 = 10_001;

/// The tags of an ApiVersionsResponse that says so.
#[must_use]
pub fn gives_broker_ids() -> UnknownTags<'static> {
    UnknownTags::single(GIVES_BROKER_IDS, &[])
}

/// Whether an ApiVersionsResponse says so.
#[must_use]
pub fn are_broker_ids_given(tags: &UnknownTags<'_>) -> bool {
    tags.iter().any(|(tag, _)| tag == GIVES_BROKER_IDS)
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
    use crate::messages::{ApiVersionsResponse, BrokerRegistrationResponse};
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
        let versions = ApiVersionsResponse { unknown_tags: gives_broker_ids(), ..ApiVersionsResponse::default() };
        let bytes = encoded(&versions, 4);
        let read = ApiVersionsResponse::decode(&mut Reader::new(&bytes), 4).unwrap();
        assert!(are_broker_ids_given(&read.unknown_tags));
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
