//! Request headers alone: every key and version, with and without tagged fields.

use barnabas_protocol::{Reader, RequestHeader, SegmentWriter, Size};

use crate::reread::contiguous;

/// Reads a request header. What was read is written, and then read the same from no more bytes.
pub fn request_header(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(header) = RequestHeader::decode(&mut reader) else { return };
    let mut size = Size::default();
    assert_eq!(header.write(&mut size), Ok(()), "{header:?}");
    let mut writer = SegmentWriter::for_size(size);
    assert_eq!(header.write(&mut writer), Ok(()), "{header:?}");
    let written = contiguous(writer.finish());
    let mut again = Reader::new(&written);
    assert_eq!(RequestHeader::decode(&mut again).as_ref(), Ok(&header));
    assert_eq!(again.finish(), Ok(()), "{header:?}");
}
