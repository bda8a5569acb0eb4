//! Requests, header first: the API and version in it say how the rest is read. Answers none.

use barnabas_protocol::messages::*;
use barnabas_protocol::{ApiKey, DecodeError, Json, Message, Reader, RequestHeader};

use crate::reread::reread;
use crate::response::agree;

macro_rules! dispatch {
    ($key_of_frame:ident $reader:ident $version:ident; $($key:ident $module:ident $request:ident $response:ident;)*) => {
        match $key_of_frame {
            $(ApiKey::$key => reread!($request, $reader, $version),)*
            _ => Ok(()),
        }
    };
}

fn read(key: ApiKey, reader: &mut Reader<'_>, version: i16) -> Result<(), DecodeError> {
    barnabas_protocol::every_message!(dispatch key reader version;)
}

/// Reads a request as it stands in a frame, and describes it: both find the same, or the same kind of fault.
pub fn request(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(header) = RequestHeader::decode(&mut reader) else { return };
    let mut described = reader.clone();
    let result = read(header.api_key, &mut reader, header.api_version);
    if let Some(layout) = header.api_key.request_layout() {
        let told = layout.read(&mut described, header.api_version, &mut Json::default());
        agree(&result, &told, &reader, &described);
    }
}
