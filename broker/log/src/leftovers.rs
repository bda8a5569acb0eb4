//! Puts a partition's directory in order before it is opened: what deletion, compaction and rewriting of small files left behind
//! when the broker died. Reads no batch but those of an interrupted compaction.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use barnabas_types::{Offset, Timestamp};

use crate::files;
use crate::fs::{DirectoryEntry, Fs, IoError, OpenMode, TEMPORARY_SUFFIX};
use crate::leader_epochs;
use crate::segment::{SEQUENTIAL_BYTES, Scanner};

/// A segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FoundSegment {
    pub(crate) base_offset: Offset,
    pub(crate) size: u64,
    pub(crate) modified: Timestamp,
    /// It has a transaction index.
    pub(crate) has_transactions: bool,
    /// Length of its offset index, if there is one.
    pub(crate) index_bytes: Option<u64>,
    /// Length of its time index, if there is one.
    pub(crate) time_index_bytes: Option<u64>,
}

/// What lies in a partition's directory, by offset.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) segments: Vec<FoundSegment>,
    /// Ascending.
    pub(crate) snapshots: Vec<Offset>,
    /// There is a file of leader epochs.
    pub(crate) has_epochs: bool,
}

impl Found {
    /// What lies in the directory of a log to which nothing was ever written and that was closed.
    pub(crate) fn empty(modified: Timestamp) -> Self {
        let segment = FoundSegment {
            base_offset: Offset(0),
            size: 0,
            modified,
            has_transactions: false,
            index_bytes: Some(0),
            time_index_bytes: Some(0),
        };
        Self { segments: vec![segment], snapshots: Vec::new(), has_epochs: false }
    }
}

/// Makes the directory if it is missing, removes leftovers, finishes an interrupted compaction, and says what is there.
pub(crate) fn clear(fs: &dyn Fs, directory: &Path) -> Result<Found, IoError> {
    let entries = match fs.list(directory) {
        Ok(entries) => entries,
        Err(error) if error.is_not_found() => {
            fs.create_directory(directory)?;
            if let Some(parent) = directory.parent() {
                fs.sync_directory(parent)?;
            }
            Vec::new()
        }
        Err(error) => return Err(error),
    };
    let files = || entries.iter().filter(|entry| !entry.is_directory);
    // Snapshots of the metadata log are deleted by whoever keeps them.
    let is_deleted = |name: &str| name.ends_with(files::DELETED) && !name.ends_with(".checkpoint.deleted");
    let is_useless =
        |name: &str| is_deleted(name) || name.ends_with(files::CLEANED) || name.ends_with(TEMPORARY_SUFFIX);
    let useless: Vec<&str> = files().map(|entry| entry.name.as_str()).filter(|name| is_useless(name)).collect();
    let swaps: Vec<(&str, u64)> =
        files().filter_map(|entry| Some((entry.name.strip_suffix(files::SWAP)?, entry.length))).collect();
    if useless.is_empty() && swaps.is_empty() {
        return found(fs, directory, &entries);
    }
    let names: BTreeSet<&str> = files().map(|entry| entry.name.as_str()).collect();
    let (complete, incomplete): (Vec<_>, Vec<_>) =
        swaps.into_iter().partition(|(name, _)| is_complete_swap(name, &names));
    // While the files that show it to be incomplete are still there.
    for (name, _) in incomplete {
        fs.remove_file(&directory.join(format!("{name}{}", files::SWAP)))?;
    }
    if !complete.is_empty() {
        finish_swaps(fs, directory, &entries, &complete)?;
    }
    useless.iter().try_for_each(|name| fs.remove_file(&directory.join(name)))?;
    fs.sync_directory(directory)?;
    found(fs, directory, &fs.list(directory)?)
}

/// Whether all of a compacted segment got its `.swap` names, of which one goes with the file called `name`: those of the indexes
/// first, then that of the log, which says that all is there. As long as one is called `.cleaned` the old segments are whole.
fn is_complete_swap(name: &str, names: &BTreeSet<&str>) -> bool {
    let Some((segment, _)) = name.split_once('.') else { return false };
    let cleaned = |found: &&str| found.starts_with(segment) && found.ends_with(files::CLEANED);
    names.contains(format!("{segment}{}{}", files::LOG, files::SWAP).as_str()) && !names.iter().any(cleaned)
}

/// Compaction had written its result and was putting it in the place of the segments it was made from: those still there go,
/// the result gets its name. An index that is missing by then is built anew.
fn finish_swaps(
    fs: &dyn Fs,
    directory: &Path,
    entries: &[DirectoryEntry],
    swaps: &[(&str, u64)],
) -> Result<(), IoError> {
    let mut replaced: Vec<(Offset, Offset)> = Vec::new();
    for (name, length) in swaps {
        if let Some(base) = files::offset_of(name, files::LOG) {
            let file = fs.open(&directory.join(format!("{name}{}", files::SWAP)), OpenMode::Read)?;
            let mut scanner = Scanner::new(&*file, 0, *length, SEQUENTIAL_BYTES);
            let mut end = base.plus(1);
            // It was complete and synced before it got this suffix; damage shows when the log is opened.
            while let Ok(Some(batch)) = scanner.next() {
                end = end.max(batch.header.next_offset());
            }
            replaced.push((base, end));
        }
    }
    for entry in entries {
        for suffix in [files::LOG, files::INDEX, files::TIME_INDEX, files::TRANSACTION_INDEX, files::SNAPSHOT] {
            let inside = |offset: Offset| replaced.iter().any(|(base, end)| offset >= *base && offset < *end);
            if files::offset_of(&entry.name, suffix).is_some_and(inside) {
                fs.remove_file(&directory.join(&entry.name))?;
            }
        }
    }
    // The log's own file last: until it has its name, another crash leaves all this to be done again.
    let (logs, indexes): (Vec<_>, Vec<_>) = swaps.iter().partition(|(name, _)| name.ends_with(files::LOG));
    for (name, _) in indexes.into_iter().chain(logs) {
        fs.rename(&directory.join(format!("{name}{}", files::SWAP)), &directory.join(name))?;
    }
    Ok(())
}

fn found(fs: &dyn Fs, directory: &Path, entries: &[DirectoryEntry]) -> Result<Found, IoError> {
    let files_with = |suffix: &'static str| {
        let files = entries.iter().filter(|entry| !entry.is_directory);
        files.filter_map(move |entry| Some((files::offset_of(&entry.name, suffix)?, entry)))
    };
    let lengths = |suffix| files_with(suffix).map(|(offset, entry)| (offset, entry.length)).collect();
    let [transactions, indexes, time_indexes]: [BTreeMap<Offset, u64>; 3] =
        [files::TRANSACTION_INDEX, files::INDEX, files::TIME_INDEX].map(lengths);
    let segments: Vec<FoundSegment> = files_with(files::LOG)
        .map(|(base_offset, entry)| FoundSegment {
            base_offset,
            size: entry.length,
            modified: entry.modified,
            has_transactions: transactions.contains_key(&base_offset),
            index_bytes: indexes.get(&base_offset).copied(),
            time_index_bytes: time_indexes.get(&base_offset).copied(),
        })
        .collect();
    let known: BTreeSet<Offset> = segments.iter().map(|segment| segment.base_offset).collect();
    for suffix in [files::INDEX, files::TIME_INDEX, files::TRANSACTION_INDEX] {
        for (offset, entry) in files_with(suffix) {
            if !known.contains(&offset) {
                fs.remove_file(&directory.join(&entry.name))?;
            }
        }
    }
    let has_epochs = entries.iter().any(|entry| entry.name == leader_epochs::FILE_NAME);
    Ok(Found { segments, snapshots: files_with(files::SNAPSHOT).map(|(offset, _)| offset).collect(), has_epochs })
}

/// Removes every segment's files.
pub(crate) fn remove_logs(fs: &dyn Fs, directory: &Path) -> Result<(), IoError> {
    for entry in fs.list(directory)? {
        for suffix in [files::LOG, files::INDEX, files::TIME_INDEX, files::TRANSACTION_INDEX] {
            if files::offset_of(&entry.name, suffix).is_some() {
                fs.remove_file(&directory.join(&entry.name))?;
            }
        }
    }
    Ok(())
}
