//! Messages read and written. Headers and frames are not part of it.

use barnabas_protocol::messages::{FetchResponse, MetadataResponse, ProduceRequest};
use barnabas_protocol::{Message, Reader};

use super::Workload;
use crate::counted::counted;
use crate::frames;

/// Reading and writing of one message.
macro_rules! message {
    ($read:ident, $write:ident, $make:ident, $kind:ident, $version:ident) => {
        fn $read() -> Result<(), String> {
            let message = frames::$make();
            let bytes = frames::bytes_of(&message, frames::$version).map_err(|error| error.to_string())?;
            let decode = || $kind::decode(&mut Reader::new(&bytes), frames::$version);
            let decoded = decode().map_err(|error| error.to_string())?;
            let again = frames::bytes_of(&decoded, frames::$version).map_err(|error| error.to_string())?;
            if again != bytes {
                return Err("reading and writing gave other bytes".to_owned());
            }
            counted(decode);
            Ok(())
        }

        fn $write() -> Result<(), String> {
            let message = frames::$make();
            frames::bytes_of(&message, frames::$version).map_err(|error| error.to_string())?;
            counted(|| message.encode(frames::$version));
            Ok(())
        }
    };
}

message!(decode_produce, encode_produce, produce_request, ProduceRequest, PRODUCE_VERSION);
message!(decode_fetch, encode_fetch, fetch_response, FetchResponse, FETCH_VERSION);
message!(decode_metadata, encode_metadata, metadata_response, MetadataResponse, METADATA_VERSION);

/// The workloads of this file.
pub const ALL: &[Workload] = &[
    Workload { name: "decode-produce-request-v12-16-kib", run: decode_produce },
    Workload { name: "encode-produce-request-v12-16-kib", run: encode_produce },
    Workload { name: "decode-fetch-response-v17-100-partitions", run: decode_fetch },
    Workload { name: "encode-fetch-response-v17-100-partitions", run: encode_fetch },
    Workload { name: "decode-metadata-response-v12-1000-topics", run: decode_metadata },
    Workload { name: "encode-metadata-response-v12-1000-topics", run: encode_metadata },
];
