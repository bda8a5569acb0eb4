//! Which aborted transactions a read-committed reader meets in what it was given: decided under the lock, looked up in the
//! transaction indexes outside it. Leaves nothing out itself: that is the reader's work.

use std::path::PathBuf;
use std::sync::Arc;

use barnabas_types::Offset;

use crate::error::ReadError;
use crate::files;
use crate::fs::{Disk, IoError, OpenMode};
use crate::log::Log;
use crate::read::Region;
use crate::segment::{AbortedTransaction, SealedSegment, TransactionIndex};

/// A look-up that was decided and has to be run outside the log's lock.
#[derive(Debug)]
pub struct AbortedTicket {
    disk: Arc<Disk>,
    from: Offset,
    end: Offset,
    /// The region's segment, if it is sealed, and where in it the region ends.
    region_end: Option<(Arc<SealedSegment>, u64)>,
    indexes: Vec<Index>,
}

#[derive(Debug)]
enum Index {
    Sealed(Arc<SealedSegment>),
    Active { path: PathBuf, index: TransactionIndex },
}

impl Log {
    /// Decides about the aborted transactions in `region`, which a read from `from` on with the limit `end` has found.
    pub fn prepare_aborted(&self, from: Offset, end: Offset, region: &Region) -> AbortedTicket {
        let position = region.position + u64::from(region.length);
        let mut ticket = self.prepare_all_aborted(from, end);
        match &region.sealed {
            Some(sealed) => ticket.region_end = Some((Arc::clone(sealed), position)),
            // Sealed since it was read, and perhaps compacted: the position says nothing any more.
            None if from < self.active.base_offset => {}
            None => ticket.end = end.min(self.active.offset_bound(position)),
        }
        ticket
    }

    /// Decides about all aborted transactions that have records or their marker from `from` on and began below `end`.
    pub(crate) fn prepare_all_aborted(&self, from: Offset, end: Offset) -> AbortedTicket {
        let mut ticket =
            AbortedTicket { disk: Arc::clone(&self.disk), from, end, region_end: None, indexes: Vec::new() };
        let sealed = self.sealed_from(from).filter(|segment| segment.transactions.entries > 0);
        ticket.indexes.extend(sealed.map(|segment| Index::Sealed(Arc::clone(segment))));
        if self.active.transactions.entries > 0 {
            let path = self.active.transaction_path();
            ticket.indexes.push(Index::Active { path, index: self.active.transactions });
        }
        ticket
    }
}

impl AbortedTicket {
    /// The transactions, in the order of their markers; none when a segment has left the log meanwhile, so that the read has to be
    /// decided again. Reads small files, and nothing where no transaction was aborted.
    ///
    /// # Errors
    /// The disk failed; [`ReadError::Replaced`] when compaction came in between, so that the region must be read again.
    pub fn run(self) -> Result<Option<Vec<AbortedTransaction>>, ReadError> {
        let collected = self.collect();
        if self.is_replaced() {
            return Err(ReadError::Replaced);
        }
        match collected {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// True when a segment that was read, or its index, is another one's by now.
    fn is_replaced(&self) -> bool {
        let region = self.region_end.iter().map(|(sealed, _)| sealed);
        let indexes = self.indexes.iter().filter_map(|index| match index {
            Index::Sealed(sealed) => Some(sealed),
            Index::Active { .. } => None,
        });
        region.chain(indexes).any(|sealed| sealed.is_replaced())
    }

    fn collect(&self) -> Result<Vec<AbortedTransaction>, IoError> {
        let mut found = Vec::new();
        if self.indexes.is_empty() {
            return Ok(found);
        }
        let end = match &self.region_end {
            Some((sealed, position)) => self.end.min(sealed.offset_bound(&self.disk, *position)?),
            None => self.end,
        };
        for index in &self.indexes {
            let (file, index) = match index {
                Index::Sealed(sealed) => {
                    let path = sealed.path(files::TRANSACTION_INDEX);
                    (self.disk.reader(sealed.owner, files::TRANSACTION_INDEX, &path)?, sealed.transactions)
                }
                Index::Active { path, index } => (self.disk.fs().open(path, OpenMode::Read)?, *index),
            };
            if index.collect(&*file, self.from, end, &mut found)? {
                break;
            }
        }
        Ok(found)
    }
}
