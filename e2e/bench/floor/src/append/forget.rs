//! Lets the old part of each file go, as a broker's retention does: blocks and pages before the newest bytes. Whoever reads there
//! reads zeros; the floor is only read at its end.

use std::io;

use rustix::fs::{FallocateFlags, fallocate};

use super::{Batch, Source};
use crate::wire::BASE_OFFSET_BYTES;

/// How much goes at once.
const STEP_BYTES: u64 = 16 << 20;

/// How far each file has been let go.
pub struct Forgetting {
    keep_bytes: Option<u64>,
    gone: Vec<u64>,
}

impl Forgetting {
    pub fn new(keep_bytes: Option<u64>) -> Self {
        Self { keep_bytes, gone: Vec::new() }
    }

    /// `batch` was written to `source`.
    pub fn after(&mut self, batch: &Batch<'_>, source: &Source) -> io::Result<()> {
        let Some(keep_bytes) = self.keep_bytes else { return Ok(()) };
        if self.gone.len() <= batch.log {
            self.gone.resize(batch.log + 1, 0);
        }
        let end = batch.position + (BASE_OFFSET_BYTES + batch.rest.len()) as u64;
        let may_go = end.saturating_sub(keep_bytes) / STEP_BYTES * STEP_BYTES;
        if let Some(gone) = self.gone.get_mut(batch.log).filter(|gone| may_go > **gone) {
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&*source.file, hole, *gone, may_go - *gone)?;
            *gone = may_go;
        }
        Ok(())
    }
}
