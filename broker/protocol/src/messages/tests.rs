//! Every message in every version: what is written is read back, at the size that was computed. A failure prints its seed.

use std::fmt::Debug;

use barnabas_types::{Segment, Segments};

use super::*;
use crate::derived::Layout;
use crate::wire::sample::{Random, Sample};
use crate::{
    ApiKey, DecodeFault, Describe, Encode, EncodeFault, IntoOwned, Json, Message, MessageLayout, Reader, Request,
    RequestHeader, Version,
};
use crate::{ResponseHeader, encode_request, encode_response};

/// Values per message and version.
pub(crate) const SAMPLES: u64 = 40;

pub(crate) fn contiguous(segments: Segments) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(segments.len());
    for segment in segments {
        match segment {
            Segment::Bytes(more) => bytes.extend_from_slice(&more),
            Segment::File(_) => panic!("a file region where bytes were expected"),
        }
    }
    bytes
}

pub(crate) fn version_of<M: Message>(number: i16) -> Version {
    Version { number, flexible: M::FLEXIBLE.contains(number) }
}

/// Writes and reads samples of `$kind` in all versions.
macro_rules! round_trip {
    ($kind:ty) => {
        for version in <$kind as Message>::VERSIONS.min..=<$kind as Message>::VERSIONS.max {
            for sample in 0..SAMPLES {
                let seed = sample << 16 | version as u64;
                let mut random = Random::new(seed);
                let message = <$kind>::sample(&mut random, version_of::<$kind>(version));
                check(&message, version, seed, |bytes| {
                    let mut reader = Reader::new(bytes);
                    let decoded = <$kind>::decode(&mut reader, version).unwrap();
                    reader.finish().unwrap();
                    assert_eq!(decoded, message, "{} version {version}, seed {seed}", <$kind>::NAME);
                    $crate::messages::tests::check_told(&message, version, bytes);
                    // Records compare by their form, so the owned ones are compared by what they write.
                    let owned = decoded.into_owned();
                    assert_eq!(contiguous(owned.encode(version).unwrap()), bytes);
                });
            }
        }
    };
}

pub(crate) fn check<M: Message + Encode + Debug>(message: &M, version: i16, seed: u64, read_back: impl Fn(&[u8])) {
    let bytes = contiguous(message.encode(version).unwrap_or_else(|error| panic!("seed {seed}: {error}")));
    assert_eq!(message.size(version).unwrap(), bytes.len(), "{} version {version}, seed {seed}", M::NAME);
    read_back(&bytes);
}

/// What a message tells of itself is what its bytes tell that are read by the layout.
pub(crate) fn check_told<M: Message + Layout + Describe>(message: &M, version: i16, bytes: &[u8]) {
    let (mut told, mut read) = (Json::default(), Json::default());
    message.describe(&mut told, version_of::<M>(version));
    let mut reader = Reader::new(bytes);
    MessageLayout::of::<M>().read(&mut reader, version, &mut read).unwrap();
    reader.finish().unwrap();
    assert_eq!(read.take_text(), told.take_text(), "{} version {version}", M::NAME);
}

pub(crate) use round_trip;

macro_rules! round_trips {
    ($($key:ident $module:ident $request:ident $response:ident;)*) => {
        mod every_version_reads_what_it_wrote {
            use super::*;
            $(
                #[test]
                fn $module() {
                    round_trip!($request<'_>);
                    round_trip!($response<'_>);
                }
            )*
        }

        #[test]
        fn each_row_of_the_list_names_request_and_response_of_its_api() {
            fn keys<Q: Request>() -> [ApiKey; 2] {
                [Q::KEY, <Q::Response<'static> as crate::Response>::KEY]
            }
            $(
                assert_eq!(keys::<$request<'_>>(), [ApiKey::$key; 2]);
                assert_eq!($request::NAME, concat!(stringify!($key), "Request"));
                assert_eq!($response::NAME, concat!(stringify!($key), "Response"));
            )*
        }

        #[test]
        fn the_list_has_every_api_and_every_file_and_is_sorted_by_api_key() {
            let keys = [$(ApiKey::$key),*];
            assert!(keys.is_sorted());
            let live: Vec<_> = ApiKey::all().filter(|key| !key.versions().is_empty()).collect();
            assert_eq!(keys[..], live, "every API that Kafka has not removed has its messages");
            let mut listed = vec![$(concat!(stringify!($module), ".rs")),*];
            listed.extend(["every.rs", "mod.rs", "tests.rs"]);
            listed.sort_unstable();
            let directory = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/messages")).unwrap();
            let mut files: Vec<_> = directory.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            files.sort_unstable();
            assert_eq!(files, listed, "every file of messages needs a row in every.rs");
        }
    };
}
crate::every_message!(round_trips);

#[test]
fn defaults_are_kafkas() {
    let fetch = FetchRequest::default();
    assert_eq!((fetch.replica_id, fetch.max_bytes, fetch.session_epoch), (-1, i32::MAX, -1));
    assert_eq!((fetch.cluster_id, fetch.replica_state.replica_epoch), (None, -1));
    assert_eq!(MetadataRequest::default().topics, Some(Vec::new()));
    assert!(MetadataRequest::default().allow_auto_topic_creation);
    assert_eq!(fetch::FetchPartition::default().high_watermark, i64::MAX);
}

#[test]
fn a_value_that_the_version_cannot_carry_is_an_error_unless_it_may_be_left_out() {
    let request = MetadataRequest { include_topic_authorized_operations: true, ..Default::default() };
    let error = request.encode(7).unwrap_err();
    assert_eq!(error.fault(), &EncodeFault::FieldNotInVersion);
    assert!(
        error.to_string().starts_with("MetadataRequest version 7, field include_topic_authorized_operations: "),
        "{error}"
    );
    let ignorable = MetadataResponse { cluster_id: Some("id".into()), ..Default::default() };
    assert!(ignorable.encode(0).is_ok());
}

#[test]
fn an_error_names_message_version_field_and_byte() {
    let frame = [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, b'x'];
    let error = MetadataRequest::decode(&mut Reader::new(&frame), 12).unwrap_err();
    assert_eq!(error.fault(), &DecodeFault::Truncated { needed: 8, remaining: 1 });
    assert_eq!(
        error.to_string(),
        "MetadataRequest version 12, field topics[0].name, byte 18: 8 bytes are needed but 1 remain"
    );
}

#[test]
fn a_version_that_does_not_exist_is_refused_both_ways() {
    let error = FetchRequest::decode(&mut Reader::new(&[0; 100]), 3).unwrap_err();
    assert_eq!(error.fault(), &DecodeFault::UnsupportedVersion { supported: ApiKey::Fetch.versions() });
    let error = FetchRequest::default().encode(19).unwrap_err();
    assert_eq!(error.fault(), &EncodeFault::UnsupportedVersion { supported: ApiKey::Fetch.versions() });
}

#[test]
fn a_request_frame_is_length_header_and_message() {
    let request = ApiVersionsRequest {
        client_software_name: "b".into(),
        client_software_version: "1".into(),
        ..Default::default()
    };
    let bytes = contiguous(encode_request(7, 3, Some("me"), &request).unwrap());
    let expected = [&[0, 0, 0, 18][..], &[0, 18, 0, 3, 0, 0, 0, 7, 0, 2, b'm', b'e', 0], &[2, b'b', 2, b'1', 0]];
    assert_eq!(bytes, expected.concat());
    let mut reader = Reader::new(&bytes[4..]);
    let header = RequestHeader::decode(&mut reader).unwrap();
    assert_eq!((header.api_key, header.api_version, header.correlation_id), (ApiKey::ApiVersions, 3, 7));
    assert_eq!(header.client_id.as_deref(), Some("me"));
    assert_eq!(ApiVersionsRequest::decode(&mut reader, 3), Ok(request));
}

#[test]
fn the_header_of_an_api_versions_response_never_has_tags_and_that_of_others_has() {
    let bytes = contiguous(encode_response(5, 3, &ApiVersionsResponse::default()).unwrap());
    assert_eq!(bytes, [0, 0, 0, 12, 0, 0, 0, 5, 0, 0, 1, 0, 0, 0, 0, 0]);
    let bytes = contiguous(encode_response(5, 9, &MetadataResponse::default()).unwrap());
    let mut reader = Reader::new(&bytes[4..]);
    assert_eq!(ResponseHeader::decode(&mut reader, ApiKey::Metadata, 9).unwrap().correlation_id, 5);
    assert_eq!(reader.position(), 5);
    assert_eq!(MetadataResponse::decode(&mut reader, 9).unwrap().controller_id, -1);
}

#[test]
fn a_header_with_a_version_that_does_not_exist_is_read_and_one_with_an_unknown_key_is_not() {
    let header = RequestHeader::decode(&mut Reader::new(&[0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0])).unwrap();
    assert_eq!((header.api_version, header.client_id), (99, None));
    let error = RequestHeader::decode(&mut Reader::new(&[3, 0xe8, 0, 0, 0, 0, 0, 7, 0xff, 0xff])).unwrap_err();
    assert_eq!(error.fault(), &DecodeFault::UnknownNumber { what: "API", number: 1000 });
}

#[test]
fn tagged_fields_keep_their_order_among_unknown_ones() {
    // Tags 0 (cluster id "c") and 1 (replica state) are known, 3 is not.
    let message = {
        let mut bytes =
            contiguous(FetchRequest { cluster_id: Some("c".into()), ..Default::default() }.encode(15).unwrap());
        assert_eq!(bytes.split_off(bytes.len() - 5), [1, 0, 2, 2, b'c']);
        bytes.extend([2, 0, 2, 2, b'c', 3, 1, 0xee]);
        bytes
    };
    let decoded = FetchRequest::decode(&mut Reader::new(&message), 15).unwrap();
    assert_eq!((decoded.cluster_id.as_deref(), decoded.unknown_tags.count()), (Some("c"), 1));
    assert_eq!(contiguous(decoded.encode(15).unwrap()), message);
    let error = decoded.encode(11).unwrap_err();
    assert_eq!(error.fault(), &EncodeFault::TagsInInflexibleVersion);
}

#[test]
fn a_structure_tells_its_fields_in_kafkas_words() {
    use crate::testing::{Described, Kind};
    let Kind::Struct(schema) = FetchRequest::kind() else { panic!("a structure was expected") };
    let cluster_id = &schema.fields[0];
    assert_eq!((cluster_id.name.as_str(), &cluster_id.kind), ("clusterId", &Kind::Plain("string")));
    assert_eq!(
        (cluster_id.tag, cluster_id.nullable, cluster_id.default.as_str()),
        (Some(0), cluster_id.versions, "null")
    );
    let topics = schema.fields.iter().find(|field| field.name == "topics").unwrap();
    assert!(
        matches!(&topics.kind, Kind::List(topic) if matches!(&**topic, Kind::Struct(topic) if topic.name == "FetchTopic"))
    );
}
