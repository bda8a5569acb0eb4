//! Puts a compacted segment in the place of those it was made from, so that a crash at any moment leaves the one or the others.
//!
//! The names on disk tell how far it got. `.cleaned`: being written, of no use. All renamed to `.swap` and synced, the log's own
//! file last: complete, it counts. Old files to `.deleted`, the new ones to their names, synced. What a crash leaves between is
//! finished or undone by [`crate::leftovers`] when the log is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use barnabas_types::Offset;

use crate::files;
use crate::fs::{Disk, Fs, IoError};
use crate::log::Log;
use crate::retention::{Doomed, Reason};
use crate::segment::SealedSegment;

/// The files of a segment, the log's own last.
const SUFFIXES: [&str; 4] = [files::INDEX, files::TIME_INDEX, files::TRANSACTION_INDEX, files::LOG];

/// A segment written and synced under `.cleaned` names, and what it replaces.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) segment: SealedSegment,
    /// Neighbours, oldest first; the first one's base offset is the new segment's.
    pub(super) replaces: Vec<Arc<SealedSegment>>,
    /// [`Log::cuts`] when the pass began.
    pub(super) cuts: u64,
}

fn named(directory: &Path, base_offset: Offset, suffix: &str, ending: &str) -> PathBuf {
    files::path(directory, base_offset, &format!("{suffix}{ending}"))
}

/// Renames a file that may not be there; true when it was.
fn rename(fs: &dyn Fs, from: &Path, to: &Path) -> Result<bool, IoError> {
    match fs.rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes what compaction has written for a segment from `base_offset` on and has not put in its place. The log's own file
/// first: without it the others are of no use to anybody.
pub(super) fn remove_written(fs: &dyn Fs, directory: &Path, base_offset: Offset) -> Result<(), IoError> {
    let paths = SUFFIXES
        .iter()
        .rev()
        .flat_map(|suffix| [files::SWAP, files::CLEANED].map(|ending| named(directory, base_offset, suffix, ending)));
    paths.into_iter().try_for_each(|path| fs.remove_file(&path))
}

impl Log {
    /// True when the log still has the segments that `written` is made from.
    fn still_has(&self, written: &Written) -> bool {
        let known = self.position_of(written).and_then(|from| self.sealed.get(from..from + written.replaces.len()));
        let same = |(one, other): (&Arc<SealedSegment>, &Arc<SealedSegment>)| Arc::ptr_eq(one, other);
        !self.offline
            && self.cuts == written.cuts
            && known.is_some_and(|known| known.iter().zip(&written.replaces).all(same))
    }

    fn position_of(&self, written: &Written) -> Option<usize> {
        self.sealed.binary_search_by_key(&written.segment.base_offset, |segment| segment.base_offset).ok()
    }

    /// First step: gives the new files the names under which they count after a crash, once those are synced. False when the log
    /// has changed: the files are of no use. On an error nothing has changed.
    pub(super) fn begin_swap(&mut self, written: &Written) -> Result<bool, IoError> {
        if !self.still_has(written) {
            return Ok(false);
        }
        let (directory, base) = (Arc::clone(&self.directory), written.segment.base_offset);
        self.swapping = Some(base);
        for suffix in SUFFIXES {
            let [from, to] = [files::CLEANED, files::SWAP].map(|ending| named(&directory, base, suffix, ending));
            rename(self.disk.fs(), &from, &to)?;
        }
        Ok(true)
    }

    /// Second step, once the names are synced: old segments out, the new one in. None when the log has changed: nothing was
    /// replaced. After an error nobody knows which names the files have, and the log is offline.
    pub(super) fn finish_swap(&mut self, written: Written) -> Result<Option<Vec<Doomed>>, IoError> {
        let unchanged = self.still_has(&written) && self.swapping == Some(written.segment.base_offset);
        let Some(from) = self.position_of(&written).filter(|_| unchanged) else {
            return Ok(None);
        };
        let Written { segment, replaces, .. } = written;
        let (disk, directory, base) = (Arc::clone(&self.disk), Arc::clone(&self.directory), segment.base_offset);
        // From here on a reader of an old segment may find a file of the new one under its names.
        replaces.iter().for_each(|old| old.mark_replaced());
        let renamed = put_in_place(&disk, &directory, &segment, &replaces);
        let bases: Vec<Offset> = replaces.iter().map(|old| old.base_offset).collect();
        replaces.iter().for_each(|old| disk.forget(old.owner));
        self.sealed.splice(from..from + replaces.len(), [Arc::new(segment)]);
        self.swapping = None;
        self.opened = None;
        let replaced = |offset| offset != base && bases.contains(&offset);
        let snapshots = self.producers.remove_snapshots(disk.fs(), &directory, replaced);
        match renamed.and_then(|doomed| snapshots.map(|()| doomed)) {
            Ok(doomed) => Ok(Some(doomed)),
            Err(error) => {
                self.offline = true;
                Err(error)
            }
        }
    }

    /// Takes back a swap that has begun, because the log is about to change: after a crash it must not count any more.
    pub(crate) fn abandon_swap(&mut self) -> Result<(), IoError> {
        if let Some(base_offset) = self.swapping {
            remove_written(self.disk.fs(), &self.directory, base_offset)?;
            self.disk.fs().sync_directory(&self.directory)?;
            self.swapping = None;
        }
        Ok(())
    }
}

/// Renames old files out of the way and new ones in their place, the new log's own file first: were the indexes there without it,
/// they would be taken for the old one's.
fn put_in_place(
    disk: &Arc<Disk>,
    directory: &Path,
    segment: &SealedSegment,
    replaces: &[Arc<SealedSegment>],
) -> Result<Vec<Doomed>, IoError> {
    let fs = disk.fs();
    let mut doomed = Vec::new();
    for old in replaces {
        let mut paths = Vec::new();
        for suffix in SUFFIXES {
            let to = named(directory, old.base_offset, suffix, files::DELETED);
            if rename(fs, &old.path(suffix), &to)? {
                paths.push(to);
            }
        }
        doomed.push(Doomed::new(disk, paths, old, Reason::Compacted));
    }
    for suffix in SUFFIXES.iter().rev() {
        rename(fs, &named(directory, segment.base_offset, suffix, files::SWAP), &segment.path(suffix))?;
    }
    Ok(doomed)
}
