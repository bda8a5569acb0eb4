//! A segment: one file of batches with its indexes. One is active and grows; the others are sealed and only ever read,
//! renamed or removed. A segment knows no other segment.

mod active;
mod file;
mod index;
mod lookup;
mod offset_index;
mod padding;
mod recent;
mod scan;
mod sealed;
mod time_index;
mod transaction_index;

pub(crate) use active::{ActiveSegment, Stop};
pub(crate) use lookup::{Span, batch_at_or_after, limit_position};
pub(crate) use padding::Padding;
pub(crate) use recent::Place;
pub(crate) use scan::{Located, SEQUENTIAL_BYTES, ScanError, Scanner};
pub(crate) use sealed::SealedSegment;
pub(crate) use time_index::Newest;
pub use transaction_index::AbortedTransaction;
pub(crate) use transaction_index::TransactionIndex;
