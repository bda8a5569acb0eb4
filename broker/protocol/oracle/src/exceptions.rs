//! The differences from Kafka that are known and meant: a committed table with a reason in each row. Decides nothing about others.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::schema::compare::Difference;

/// A difference that is known and meant.
pub struct Exception {
    pub message: String,
    /// Of our field; empty for the message itself.
    pub path: String,
    pub aspect: String,
    pub theirs: String,
}

impl Exception {
    /// Whether it is about this very difference.
    pub fn covers(&self, difference: &Difference) -> bool {
        self.message == difference.message
            && self.path == difference.path
            && self.aspect == difference.aspect
            && self.theirs == difference.theirs
    }
}

/// The rows of the table: message, path, aspect, Kafka's, reason.
pub fn read(path: &Path) -> Result<Vec<Exception>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| match row.split('\t').collect::<Vec<_>>().as_slice() {
        [message, path, aspect, theirs, reason] if !reason.is_empty() => {
            let own = |text: &str| text.to_owned();
            Ok(Exception { message: own(message), path: own(path), aspect: own(aspect), theirs: own(theirs) })
        }
        _ => bail!("{}: not message, path, aspect, Kafka's, reason: {row:?}", path.display()),
    })
    .collect()
}
