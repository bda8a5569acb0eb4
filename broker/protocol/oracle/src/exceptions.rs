//! The differences from Kafka that are known and meant: a committed table with a reason in each row. Decides nothing about others.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::schema::compare::{Difference, Release};

/// A difference that is known and meant.
pub struct Exception {
    pub message: String,
    /// Of our field; empty for the message itself.
    pub path: String,
    pub aspect: String,
    pub theirs: String,
    /// The only schemas of which it is expected; none is all.
    pub release: Option<Release>,
}

impl Exception {
    /// Whether it is about this very difference from the schemas of `release`.
    pub fn covers(&self, difference: &Difference, release: Release) -> bool {
        self.release.is_none_or(|only| only == release)
            && self.message == difference.message
            && self.path == difference.path
            && self.aspect == difference.aspect
            && self.theirs == difference.theirs
    }
}

/// The rows of the table: message, path, aspect, Kafka's, release, reason.
pub fn read(path: &Path) -> Result<Vec<Exception>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| match row.split('\t').collect::<Vec<_>>().as_slice() {
        [message, path, aspect, theirs, release, reason] if !reason.is_empty() => {
            let own = |text: &str| text.to_owned();
            let release = match *release {
                "all" => None,
                "earlier" => Some(Release::Earlier),
                "newest" => Some(Release::Newest),
                other => bail!("release {other:?} is none of all, earlier, newest"),
            };
            Ok(Exception { message: own(message), path: own(path), aspect: own(aspect), theirs: own(theirs), release })
        }
        _ => bail!("{}: not message, path, aspect, Kafka's, release, reason: {row:?}", path.display()),
    })
    .collect()
}
