//! Rolling: the active segment is sealed and a new one begins at the log's end.

use std::sync::Arc;

use barnabas_types::{Offset, Timestamp};

use crate::fs::IoError;
use crate::log::{Dirty, Log};
use crate::recover;
use crate::segment::ActiveSegment;

impl Log {
    /// Begins a new segment at the log's end, unless the active one is still empty.
    pub fn roll(&mut self, now: Timestamp) -> Result<(), IoError> {
        self.roll_at(self.log_end(), now)
    }

    pub(crate) fn roll_at(&mut self, base_offset: Offset, now: Timestamp) -> Result<(), IoError> {
        if base_offset == self.active.base_offset {
            return Ok(());
        }
        self.active.trim(&self.disk)?;
        self.active.write_indexes(self.disk.fs())?;
        // A log opened from here on replays producers from this snapshot, not through the sealed segments.
        self.producers.skip_to(base_offset);
        if let Some(path) = self.producers.write_snapshot(self.disk.fs(), &self.directory)? {
            self.unsynced.add(Dirty::Path(path));
        }
        let next = match ActiveSegment::create(&self.disk, &self.directory, base_offset, now) {
            Ok(next) => next,
            Err(error) => {
                // An empty segment left behind would end the log there when it is opened again.
                _ = recover::remove_segment_files(self.disk.fs(), &self.directory, base_offset);
                return Err(error);
            }
        };
        let sealed = std::mem::replace(&mut self.active, next);
        self.unsynced.add(Dirty::Directory);
        if sealed.size > 0 {
            self.unsynced.add_all(sealed.dirty());
            self.sealed.push(Arc::new(sealed.seal(base_offset, now)));
        } else {
            // An empty segment from a lower offset: a follower's log begins further ahead.
            for path in sealed.paths() {
                self.disk.fs().remove_file(&path)?;
            }
        }
        Ok(())
    }
}
