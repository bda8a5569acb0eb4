//! Whole frames: length, header, message. Sizes are computed first, so that all bytes written here come from one allocation.

use std::borrow::Cow;

use barnabas_types::Segments;

use crate::message::encodable;
use crate::wire::{EncodeError, EncodeFault, SegmentWriter, Sink, Size, UnknownTags};
use crate::{ApiKey, ErrorCode, Request, RequestHeader, Response, ResponseHeader};

/// The frame of `request` in version `version`, its length first.
///
/// # Errors
/// When the version does not exist or cannot carry what the request says.
pub fn encode_request<Q: Request>(
    correlation_id: i32,
    version: i16,
    client_id: Option<&str>,
    request: &Q,
) -> Result<Segments, EncodeError> {
    let at = encodable::<Q>(version)?;
    let header = RequestHeader {
        api_key: Q::KEY,
        api_version: version,
        correlation_id,
        client_id: client_id.map(Cow::Borrowed),
        unknown_tags: UnknownTags::default(),
    };
    let mut size = Size::default();
    header.write(&mut size)?;
    request.write(&mut size, at).map_err(|error| error.in_message(Q::NAME, version))?;
    let mut writer = prefixed(size)?;
    header.write(&mut writer)?;
    request.write(&mut writer, at).map_err(|error| error.in_message(Q::NAME, version))?;
    Ok(writer.finish())
}

/// The frame of a request whose `body` is encoded already, its length first.
///
/// # Errors
/// When the frame would be too long.
pub fn frame_request(header: &RequestHeader<'_>, body: Segments) -> Result<Segments, EncodeError> {
    framed(body, |sink| header.write(sink), |sink| header.write(sink))
}

/// The frame of a response of `api_key` to a request of version `version`, whose `body` is encoded already, its length first.
///
/// # Errors
/// When the frame would be too long.
pub fn frame_response(
    header: &ResponseHeader<'_>,
    api_key: ApiKey,
    version: i16,
    body: Segments,
) -> Result<Segments, EncodeError> {
    framed(body, |sink| header.write(sink, api_key, version), |sink| header.write(sink, api_key, version))
}

/// What is written and `body` behind it, the length of both first.
fn framed(
    body: Segments,
    measure: impl Fn(&mut Size) -> Result<(), EncodeError>,
    write: impl Fn(&mut SegmentWriter) -> Result<(), EncodeError>,
) -> Result<Segments, EncodeError> {
    let mut header = Size::default();
    measure(&mut header)?;
    let length = header.total() + body.len();
    let length = i32::try_from(length).map_err(|_| too_long(length))?;
    let prefix = length.to_be_bytes();
    header.put(&prefix);
    let mut writer = SegmentWriter::for_size(header);
    writer.put(&prefix);
    write(&mut writer)?;
    let mut frame = writer.finish();
    body.into_iter().for_each(|segment| frame.push(segment));
    Ok(frame)
}

fn too_long(length: usize) -> EncodeError {
    EncodeError::new(EncodeFault::TooLong { length, max: i32::MAX as usize })
}

/// The frame of `response` in version `version`, its length first.
///
/// # Errors
/// When the version does not exist or cannot carry what the response says.
pub fn encode_response<R: Response>(correlation_id: i32, version: i16, response: &R) -> Result<Segments, EncodeError> {
    Ok(encode_reply(correlation_id, version, response)?.0)
}

/// As [`encode_response`], with the error codes that the response carries, NONE left out.
///
/// # Errors
/// As `encode_response`.
pub fn encode_reply<R: Response>(
    correlation_id: i32,
    version: i16,
    response: &R,
) -> Result<(Segments, Vec<ErrorCode>), EncodeError> {
    let at = encodable::<R>(version)?;
    let header = ResponseHeader { correlation_id, unknown_tags: UnknownTags::default() };
    let mut size = Size::default();
    header.write(&mut size, R::KEY, version)?;
    response.write(&mut size, at).map_err(|error| error.in_message(R::NAME, version))?;
    let mut writer = prefixed(size)?;
    header.write(&mut writer, R::KEY, version)?;
    response.write(&mut writer, at).map_err(|error| error.in_message(R::NAME, version))?;
    Ok(writer.finish_with_errors())
}

/// A writer for a frame of `size`, which has the frame's length already.
fn prefixed(size: Size) -> Result<SegmentWriter, EncodeError> {
    let length = i32::try_from(size.total()).map_err(|_| too_long(size.total()))?;
    let prefix = length.to_be_bytes();
    let mut with_prefix = size;
    with_prefix.put(&prefix);
    let mut writer = SegmentWriter::for_size(with_prefix);
    writer.put(&prefix);
    Ok(writer)
}
