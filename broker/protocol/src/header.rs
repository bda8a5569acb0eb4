//! The headers before requests and responses, in both forms. Which form a message has follows from its API and version.

use std::borrow::Cow;

use crate::ApiKey;
use crate::wire::{
    Decode, DecodeError, DecodeFault, DecodeNullable, Encode, EncodeError, EncodeNullable, IntoOwned, Reader, Sink,
    UnknownTags, Version,
};

/// The name under which headers appear in errors.
const REQUEST_HEADER: &str = "RequestHeader";
const RESPONSE_HEADER: &str = "ResponseHeader";
/// Versions of the request header: 1, and 2 with tagged fields. Those of the response header are one less.
const INFLEXIBLE: Version = Version { number: 1, flexible: false };

/// What stands before every request (header versions 1 and 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    /// The API that is called.
    pub api_key: ApiKey,
    /// The version of the request, as sent: it need not be one that exists.
    pub api_version: i16,
    /// Chosen by the client, returned with the response.
    pub correlation_id: i32,
    /// `client.id`, for quotas and logs; null when the client has none.
    pub client_id: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here; only before flexible requests.
    pub unknown_tags: UnknownTags<'a>,
}

impl<'a> RequestHeader<'a> {
    /// Reads the header at the start of a frame. The version may be one that the API does not have: ApiVersions is answered even then,
    /// and the others get a clear error.
    ///
    /// # Errors
    /// When the API key is unknown or the frame ends early.
    pub fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        // The version is known once key and version of the request are.
        let mut version = INFLEXIBLE.number;
        Self::read(reader, &mut version).map_err(|error| error.in_message(REQUEST_HEADER, version))
    }

    fn read(reader: &mut Reader<'a>, version: &mut i16) -> Result<Self, DecodeError> {
        let number = i16::read(reader, INFLEXIBLE).map_err(|error| error.within("api_key"))?;
        let Some(api_key) = ApiKey::from_number(number) else {
            let fault = DecodeFault::UnknownNumber { what: "API", number: i64::from(number) };
            return Err(reader.error(fault).within("api_key"));
        };
        let api_version = i16::read(reader, INFLEXIBLE).map_err(|error| error.within("api_version"))?;
        *version += i16::from(api_key.is_flexible(api_version));
        let correlation_id = i32::read(reader, INFLEXIBLE).map_err(|error| error.within("correlation_id"))?;
        // The client id keeps its old form in the flexible header too, so that every broker can read as far as here.
        let client_id = Cow::read_nullable(reader, INFLEXIBLE).map_err(|error| error.within("client_id"))?;
        let unknown_tags = match api_key.is_flexible(api_version) {
            true => reader.tags(|_, _| Ok(false))?,
            false => UnknownTags::default(),
        };
        Ok(Self { api_key, api_version, correlation_id, client_id, unknown_tags })
    }

    /// Writes the header.
    ///
    /// # Errors
    /// When the client id is too long, or unknown tags are set where there is no place for them.
    pub fn write<S: Sink>(&self, sink: &mut S) -> Result<(), EncodeError> {
        let version = INFLEXIBLE.number + i16::from(self.api_key.is_flexible(self.api_version));
        self.write_fields(sink).map_err(|error| error.in_message(REQUEST_HEADER, version))
    }

    fn write_fields<S: Sink>(&self, sink: &mut S) -> Result<(), EncodeError> {
        self.api_key.number().write(sink, INFLEXIBLE)?;
        self.api_version.write(sink, INFLEXIBLE)?;
        self.correlation_id.write(sink, INFLEXIBLE)?;
        Cow::write_nullable(self.client_id.as_ref(), sink, INFLEXIBLE).map_err(|error| error.within("client_id"))?;
        if !self.api_key.is_flexible(self.api_version) {
            return self.unknown_tags.refuse();
        }
        sink.unsigned_varint(self.unknown_tags.count());
        self.unknown_tags.write_rest(sink, 0);
        Ok(())
    }
}

impl IntoOwned for RequestHeader<'_> {
    type Owned = RequestHeader<'static>;

    fn into_owned(self) -> RequestHeader<'static> {
        RequestHeader {
            api_key: self.api_key,
            api_version: self.api_version,
            correlation_id: self.correlation_id,
            client_id: IntoOwned::into_owned(self.client_id),
            unknown_tags: self.unknown_tags.into_owned(),
        }
    }
}

/// What stands before every response (header versions 0 and 1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHeader<'a> {
    /// The request's number.
    pub correlation_id: i32,
    /// Tagged fields that are not known here; only before flexible responses.
    pub unknown_tags: UnknownTags<'a>,
}

/// True when the response of version `version` has a header with tagged fields. That of ApiVersions never has: a client that asked in a
/// version which the broker does not know must be able to read the answer.
fn has_tags(api_key: ApiKey, version: i16) -> bool {
    api_key != ApiKey::ApiVersions && api_key.is_flexible(version)
}

impl<'a> ResponseHeader<'a> {
    /// Reads the header of a response of `api_key` to a request of version `version`.
    ///
    /// # Errors
    /// When the frame ends early.
    pub fn decode(reader: &mut Reader<'a>, api_key: ApiKey, version: i16) -> Result<Self, DecodeError> {
        let has_tags = has_tags(api_key, version);
        Self::read(reader, has_tags).map_err(|error| error.in_message(RESPONSE_HEADER, i16::from(has_tags)))
    }

    fn read(reader: &mut Reader<'a>, has_tags: bool) -> Result<Self, DecodeError> {
        let correlation_id = i32::read(reader, INFLEXIBLE).map_err(|error| error.within("correlation_id"))?;
        let unknown_tags = if has_tags { reader.tags(|_, _| Ok(false))? } else { UnknownTags::default() };
        Ok(Self { correlation_id, unknown_tags })
    }

    /// Writes the header of a response of `api_key` to a request of version `version`.
    ///
    /// # Errors
    /// When unknown tags are set where there is no place for them.
    pub fn write<S: Sink>(&self, sink: &mut S, api_key: ApiKey, version: i16) -> Result<(), EncodeError> {
        self.correlation_id.write(sink, INFLEXIBLE)?;
        if !has_tags(api_key, version) {
            return self.unknown_tags.refuse();
        }
        sink.unsigned_varint(self.unknown_tags.count());
        self.unknown_tags.write_rest(sink, 0);
        Ok(())
    }
}
