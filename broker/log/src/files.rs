//! How the files of a partition are called. Touches none of them.

use std::path::{Path, PathBuf};

use barnabas_types::Offset;

/// Batches.
pub(crate) const LOG: &str = ".log";
/// Offset index.
pub(crate) const INDEX: &str = ".index";
/// Time index.
pub(crate) const TIME_INDEX: &str = ".timeindex";
/// Aborted transactions.
pub(crate) const TRANSACTION_INDEX: &str = ".txnindex";
/// Producer state.
pub(crate) const SNAPSHOT: &str = ".snapshot";
/// Put behind the name of a file that nobody needs any more; removed a while later, or when the log is opened.
pub(crate) const DELETED: &str = ".deleted";
/// Compaction was writing it.
pub(crate) const CLEANED: &str = ".cleaned";
/// Compaction was putting it in its place.
pub(crate) const SWAP: &str = ".swap";

/// The file of a segment, or of a snapshot, that begins at `offset`.
pub(crate) fn path(directory: &Path, offset: Offset, suffix: &str) -> PathBuf {
    directory.join(format!("{:020}{suffix}", offset.0))
}

/// The offset in `name`, when it is 20 digits and then `suffix`.
pub(crate) fn offset_of(name: &str, suffix: &str) -> Option<Offset> {
    let digits = name.strip_suffix(suffix)?;
    let sound = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| digits.parse().ok().map(Offset)).flatten()
}
