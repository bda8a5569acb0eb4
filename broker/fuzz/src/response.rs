//! Responses, with API key and version before them, two bytes each, because a response does not say what it answers.

use std::mem::discriminant;

use barnabas_protocol::messages::*;
use barnabas_protocol::{ApiKey, DecodeError, DecodeFault, Json, Message, Reader, ResponseHeader};

use crate::reread::reread;

macro_rules! dispatch {
    ($key_of_frame:ident $reader:ident $version:ident; $($key:ident $module:ident $request:ident $response:ident;)*) => {
        match $key_of_frame {
            $(ApiKey::$key => reread!($response, $reader, $version),)*
            _ => Ok(()),
        }
    };
}

fn read(key: ApiKey, reader: &mut Reader<'_>, version: i16) -> Result<(), DecodeError> {
    barnabas_protocol::every_message!(dispatch key reader version;)
}

/// Reads a response as it stands in a frame, and describes it: both find the same, or the same kind of fault.
pub fn response(bytes: &[u8]) {
    let Some((&[key_high, key_low, version_high, version_low], frame)) = bytes.split_first_chunk::<4>() else { return };
    let Some(key) = ApiKey::from_number(i16::from_be_bytes([key_high, key_low])) else { return };
    let version = i16::from_be_bytes([version_high, version_low]);
    let mut reader = Reader::new(frame);
    if ResponseHeader::decode(&mut reader, key, version).is_err() {
        return;
    }
    let mut described = reader.clone();
    let result = read(key, &mut reader, version);
    if let Some(layout) = key.response_layout() {
        let told = layout.read(&mut described, version, &mut Json::default());
        agree(&result, &told, &reader, &described);
    }
}

/// Fails unless reading and describing came to the same end. Only reading keeps lists in memory, so only it can find them too long.
pub fn agree(
    read: &Result<(), DecodeError>,
    described: &Result<(), DecodeError>,
    reader: &Reader<'_>,
    describer: &Reader<'_>,
) {
    if read.as_ref().is_err_and(|error| matches!(error.fault(), DecodeFault::TooManyElements { .. })) {
        return;
    }
    // Where a list of numbers ends early they differ: reading takes all of them at once.
    let fault = |result: &Result<(), DecodeError>| result.as_ref().err().map(|error| discriminant(error.fault()));
    assert_eq!(fault(read), fault(described), "{read:?} when read, {described:?} when described");
    assert!(
        read.is_err() || reader.position() == describer.position(),
        "{} and {}",
        reader.position(),
        describer.position()
    );
}
