//! From an offset to a position: a hint out of an index, then a walk over a few headers. A hint that does not hold costs a walk
//! from the segment's start, never a wrong answer.

use barnabas_types::Offset;

use super::scan::{LOOKUP_BYTES, Located, ScanError, Scanner};
use crate::fs::File;

/// The bytes of a segment that may be looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span<'f> {
    /// The segment's file.
    pub(crate) file: &'f dyn File,
    /// The segment's first offset.
    pub(crate) base_offset: Offset,
    /// How many of the file's bytes are the segment's.
    pub(crate) size: u64,
}

fn walk(span: Span<'_>, from: u64, enough: impl Fn(&Located) -> bool) -> Result<Option<Located>, ScanError> {
    let mut scanner = Scanner::new(span.file, from, span.size, LOOKUP_BYTES);
    while let Some(batch) = scanner.next()? {
        if enough(&batch) {
            return Ok(Some(batch));
        }
    }
    Ok(None)
}

/// True when the batch at `hint` starts at or before `offset`, so that the walk may start there.
fn hint_holds(span: Span<'_>, hint: u64, offset: Offset) -> Result<bool, ScanError> {
    let mut scanner = Scanner::new(span.file, hint, span.size, barnabas_records::BATCH_HEADER_BYTES);
    match scanner.next() {
        Ok(Some(batch)) => Ok(batch.header.base_offset >= span.base_offset && batch.header.base_offset <= offset),
        Ok(None) | Err(ScanError::Batch { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn walk_from_hint(
    span: Span<'_>,
    hint: u64,
    offset: Offset,
    enough: impl Fn(&Located) -> bool,
) -> Result<Option<Located>, ScanError> {
    let from = if hint == 0 || hint_holds(span, hint, offset)? { hint } else { 0 };
    walk(span, from, enough)
}

/// The first batch that holds `offset` or a later one. `hint` is where an index says to start.
pub(crate) fn batch_at_or_after(span: Span<'_>, hint: u64, offset: Offset) -> Result<Option<Located>, ScanError> {
    walk_from_hint(span, hint, offset, |batch| batch.header.last_offset() >= offset)
}

/// Where what may be read ends when only offsets below `limit` may: the start of the first batch with an offset from `limit` on.
pub(crate) fn limit_position(span: Span<'_>, hint: u64, limit: Offset) -> Result<u64, ScanError> {
    Ok(batch_at_or_after(span, hint, limit)?.map_or(span.size, |batch| batch.position))
}
