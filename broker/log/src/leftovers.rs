//! Puts a partition's directory in order before it is opened: what deletion, compaction and rewriting of small files left behind
//! when the broker died. Reads no batch but those of an interrupted compaction.

use std::collections::BTreeSet;
use std::path::Path;

use barnabas_types::{Offset, Timestamp};

use crate::files;
use crate::fs::{DirectoryEntry, Fs, IoError, OpenMode, TEMPORARY_SUFFIX};
use crate::segment::{SEQUENTIAL_BYTES, Scanner};

/// A segment's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FoundSegment {
    pub(crate) base_offset: Offset,
    pub(crate) size: u64,
    pub(crate) modified: Timestamp,
    /// It has a transaction index.
    pub(crate) has_transactions: bool,
}

/// What lies in a partition's directory, by offset.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) segments: Vec<FoundSegment>,
    pub(crate) snapshots: BTreeSet<Offset>,
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
    let mut swaps = Vec::new();
    let mut removed = false;
    for entry in entries.iter().filter(|entry| !entry.is_directory) {
        let name = entry.name.as_str();
        // Snapshots of the metadata log are deleted by whoever keeps them.
        let deleted = name.ends_with(files::DELETED) && !name.ends_with(".checkpoint.deleted");
        if deleted || name.ends_with(files::CLEANED) || name.ends_with(TEMPORARY_SUFFIX) {
            fs.remove_file(&directory.join(name))?;
            removed = true;
        } else if let Some(log) = name.strip_suffix(files::SWAP) {
            swaps.push((log.to_owned(), entry.length));
        }
    }
    if !swaps.is_empty() {
        finish_swaps(fs, directory, &entries, &swaps)?;
    }
    if removed || !swaps.is_empty() {
        fs.sync_directory(directory)?;
    }
    found(fs, directory, &fs.list(directory)?)
}

/// Compaction had written its result and was putting it in the place of the segments it was made from: those still there go,
/// the result gets its name. What had been written before compaction got that far was removed as a leftover.
fn finish_swaps(
    fs: &dyn Fs,
    directory: &Path,
    entries: &[DirectoryEntry],
    swaps: &[(String, u64)],
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
    for (name, _) in swaps {
        fs.rename(&directory.join(format!("{name}{}", files::SWAP)), &directory.join(name))?;
    }
    Ok(())
}

fn found(fs: &dyn Fs, directory: &Path, entries: &[DirectoryEntry]) -> Result<Found, IoError> {
    let files_with = |suffix: &'static str| {
        let files = entries.iter().filter(|entry| !entry.is_directory);
        files.filter_map(move |entry| Some((files::offset_of(&entry.name, suffix)?, entry)))
    };
    let transactions: BTreeSet<Offset> = files_with(files::TRANSACTION_INDEX).map(|(offset, _)| offset).collect();
    let segments: Vec<FoundSegment> = files_with(files::LOG)
        .map(|(base_offset, entry)| FoundSegment {
            base_offset,
            size: entry.length,
            modified: entry.modified,
            has_transactions: transactions.contains(&base_offset),
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
    Ok(Found { segments, snapshots: files_with(files::SNAPSHOT).map(|(offset, _)| offset).collect() })
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
