//! The framing that Kafka's text checkpoints share: a version line, a line with the number of entries, one entry a line.
//! Knows nothing of what an entry holds.

use std::fmt::{Display, Write};
use std::path::{Path, PathBuf};

use crate::fs::{Fs, IoError, read_bounded, replace};

/// No checkpoint of a sane broker comes near: a million partitions with the longest names are 256 MB.
const LIMIT_BYTES: u64 = 256 * 1024 * 1024;

/// A checkpoint or properties file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TextFileError {
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The contents are not what the format asks for.
    #[error("{} line {line}: {reason}; restore the file or remove it", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Reads the entries of `path`, none when it does not exist or is empty, as Kafka leaves it until it first writes it. `parse` turns
/// one line into one entry, or says what is wrong.
pub(crate) fn read_entries<T>(
    fs: &dyn Fs,
    path: &Path,
    mut parse: impl FnMut(&str) -> Result<T, &'static str>,
) -> Result<Option<Vec<T>>, TextFileError> {
    let Some(contents) = read_bounded(fs, path, LIMIT_BYTES)? else {
        return Ok(None);
    };
    let malformed = |line, reason| TextFileError::Malformed { path: path.to_path_buf(), line, reason };
    let text = std::str::from_utf8(&contents).map_err(|_| malformed(1, "not UTF-8"))?;
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    match lines.next() {
        Some((_, line)) if line.trim() == "0" => {}
        Some(_) => return Err(malformed(1, "unknown version, expected 0")),
        None => return Ok(None),
    }
    let count = lines.next().and_then(|(_, line)| line.trim().parse::<usize>().ok());
    let count = count.ok_or_else(|| malformed(2, "expected the number of entries"))?;
    let mut entries = Vec::new();
    for (number, line) in lines {
        if entries.len() == count {
            return Err(malformed(number, "more entries than line 2 says"));
        }
        entries.push(parse(line).map_err(|reason| malformed(number, reason))?);
    }
    if entries.len() < count {
        return Err(malformed(entries.len() + 3, "fewer entries than line 2 says"));
    }
    // The last number may be the beginning of a longer one.
    if !text.ends_with('\n') && count > 0 {
        return Err(malformed(count + 2, "the file is cut short: its last line has no end"));
    }
    Ok(Some(entries))
}

/// Replaces `path` by `entries`, durably.
pub(crate) fn write_entries<T: Display>(
    fs: &dyn Fs,
    path: &Path,
    entries: impl ExactSizeIterator<Item = T>,
) -> Result<(), IoError> {
    let mut text = format!("0\n{}\n", entries.len());
    for entry in entries {
        // Writing to a String cannot fail.
        _ = writeln!(text, "{entry}");
    }
    replace(fs, path, text.as_bytes())
}
