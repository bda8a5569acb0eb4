//! `--append gathered`: the batches of one turn stay in the buffers they were received in until the turn ends; then there is one call
//! for each file, however many batches and connections they came from. Nothing is copied.

use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use super::{Appending, Batch, Connections, Source, add_source, sync_touched, write_at};
use crate::wire::BASE_OFFSET_BYTES;

/// A batch that was taken and is still where it was received.
struct Waiting {
    log: usize,
    position: u64,
    head: [u8; BASE_OFFSET_BYTES],
    connection: u64,
    rest: Range<usize>,
}

pub struct Gathered {
    sync: bool,
    sources: Vec<Rc<Source>>,
    waiting: Vec<Waiting>,
    touched: Vec<usize>,
}

impl Gathered {
    pub fn new(sync: bool) -> Self {
        Self { sync, sources: Vec::new(), waiting: Vec::new(), touched: Vec::new() }
    }
}

impl Appending for Gathered {
    fn create(&mut self, path: &Path) -> io::Result<Rc<Source>> {
        add_source(&mut self.sources, path)
    }

    fn append(&mut self, batch: &Batch<'_>) -> io::Result<u64> {
        self.waiting.push(Waiting {
            log: batch.log,
            position: batch.position,
            head: batch.head,
            connection: batch.connection,
            rest: batch.at..batch.at + batch.rest.len(),
        });
        Ok(0)
    }

    fn end_turn(&mut self, connections: &Connections) -> io::Result<()> {
        self.waiting.sort_by_key(|batch| batch.log); // stable: the batches of a log stay in order, and so adjacent
        for batches in self.waiting.chunk_by(|a, b| a.log == b.log) {
            let Some((first, source)) = batches.first().and_then(|first| Some((first, self.sources.get(first.log)?)))
            else {
                continue;
            };
            let mut slices = Vec::with_capacity(batches.len() * 2);
            for batch in batches {
                let rest = connections.get(&batch.connection).and_then(|from| from.received(batch.rest.clone()));
                slices.push(IoSlice::new(&batch.head));
                slices.push(IoSlice::new(rest.ok_or_else(|| io::Error::other("a batch left before it was written"))?));
            }
            write_at(&source.file, first.position, &mut slices)?;
            if self.sync {
                self.touched.push(first.log);
            }
        }
        self.waiting.clear();
        sync_touched(&self.sources, &mut self.touched)
    }
}
