//! Reading a message, writing it and reading that again. Knows no message by name.

use barnabas_types::{Segment, Segments};

/// The bytes of `segments`, none of which is a region of a file.
pub fn contiguous(segments: Segments) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(segments.len());
    for segment in segments {
        match segment {
            Segment::Bytes(more) => bytes.extend_from_slice(&more),
            Segment::File(_) => unreachable!("what was read from bytes has no region of a file"),
        }
    }
    bytes
}

/// Reads a `$kind` in `$version` from `$reader`. What can be read can be written, has the size that was computed, is read from that again and is then
/// written the same. Bytes are compared, not values: no value that is not a number equals itself.
macro_rules! reread {
    ($kind:ident, $reader:expr, $version:expr) => {
        match <$kind<'_> as barnabas_protocol::Message>::decode($reader, $version) {
            Err(error) => Err(error),
            Ok(message) => {
                let name = <$kind<'_> as barnabas_protocol::Message>::NAME;
                let written = message.encode($version);
                assert!(written.is_ok(), "{name} version {} was read and cannot be written: {written:?}", $version);
                let first = written.map(crate::reread::contiguous).unwrap_or_default();
                assert_eq!(message.size($version), Ok(first.len()), "{name} version {}", $version);
                let mut reader = barnabas_protocol::Reader::new(&first);
                let again = <$kind<'_> as barnabas_protocol::Message>::decode(&mut reader, $version);
                let second = again.map(|again| again.encode($version).map(crate::reread::contiguous));
                assert_eq!(second, Ok(Ok(first.clone())), "{name} version {}", $version);
                assert_eq!(reader.finish(), Ok(()), "{name} version {}", $version);
                Ok(())
            }
        }
    };
}
pub(crate) use reread;
