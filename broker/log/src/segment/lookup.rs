//! From an offset to a position: a hint out of an index, then a walk over a few headers. A hint that does not hold costs a walk
//! from the segment's start, never a wrong answer.

use barnabas_records::BatchError;
use barnabas_types::Offset;

use super::scan::{Located, ScanError, Scanner};
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

/// Walks from position `from`. `holds` is asked of the first batch there: whether the walk may begin with it.
fn walk(
    span: Span<'_>,
    from: u64,
    holds: impl Fn(&Located) -> bool,
    enough: impl Fn(&Located) -> bool,
) -> Result<Walked, ScanError> {
    let mut scanner = Scanner::looking_up(span.file, from, span.size);
    let mut batch = match scanner.next() {
        Ok(Some(first)) if !holds(&first) => return Ok(Walked::WrongStart),
        Ok(first) => first,
        // Where no batch begins nothing points, unless the segment itself is damaged at its start.
        Err(ScanError::Batch { .. }) if from > 0 => return Ok(Walked::WrongStart),
        Err(error) => return Err(error),
    };
    while let Some(located) = batch {
        if enough(&located) {
            return Ok(Walked::Found(located));
        }
        batch = scanner.next()?;
        // No CRC covers a base offset; what stands out of order is told rather than passed over.
        if let Some(next) = batch.filter(|next| next.header.base_offset < located.header.next_offset()) {
            let error = BatchError::Length { position: 0, length: next.header.last_offset_delta };
            return Err(ScanError::Batch { position: next.position, error });
        }
    }
    Ok(Walked::End)
}

enum Walked {
    Found(Located),
    End,
    WrongStart,
}

/// The first batch that holds `offset` or a later one. `hint` is where an index says to start.
pub(crate) fn batch_at_or_after(span: Span<'_>, hint: u64, offset: Offset) -> Result<Option<Located>, ScanError> {
    let enough = |batch: &Located| batch.header.last_offset() >= offset;
    let at_or_before =
        |batch: &Located| batch.header.base_offset >= span.base_offset && batch.header.base_offset <= offset;
    // A hint that points to the end says nothing either.
    let from = if hint < span.size { hint } else { 0 };
    let mut walked = walk(span, from, |batch| from == 0 || at_or_before(batch), enough)?;
    if matches!(walked, Walked::WrongStart) {
        walked = walk(span, 0, |_| true, enough)?;
    }
    match walked {
        Walked::Found(batch) => Ok(Some(batch)),
        Walked::End | Walked::WrongStart => Ok(None),
    }
}

/// Where what may be read ends when only offsets below `limit` may: the start of the first batch with an offset from `limit` on.
pub(crate) fn limit_position(span: Span<'_>, hint: u64, limit: Offset) -> Result<u64, ScanError> {
    Ok(batch_at_or_after(span, hint, limit)?.map_or(span.size, |batch| batch.position))
}
