//! The promise that this broker has kept everything that it was counted for since it registered, also through a kill: written down with the
//! broker epoch in each log directory, and taken back before a partition is hosted that does not wait for its disk. The next process of this
//! broker registers with that epoch, so that the controller goes on counting with it. Whether it may be given is decided by who hosts.
//!
//! A directory that was put back to an earlier state, from a copy or a snapshot of its volume, cannot be told from one that was not.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use barnabas_log::fs::IoError;
use barnabas_log::identity::KeptEpoch;

use super::LogDirectories;

/// This release, whose promise only the same believes.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// How this process stands to it.
#[derive(Debug, Default)]
pub(super) struct Promise(Mutex<State>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// It may be given.
    #[default]
    Open,
    /// It was taken back, for as long as this process lives.
    TakenBack,
}

impl Promise {
    /// Held while files are written, so that none is written after it was taken back.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogDirectories {
    /// The broker epoch up to whose end the broker that had these directories has kept all that it was counted for: it stopped cleanly, or it
    /// has promised so, as this release with these directories and no others.
    #[must_use]
    pub fn kept_broker_epoch(&self) -> Option<i64> {
        self.clean_broker_epoch().or_else(|| self.promised_broker_epoch())
    }

    fn promised_broker_epoch(&self) -> Option<i64> {
        let (first, others) = self.directories.split_first()?;
        let promised =
            first.kept_epoch.as_ref().filter(|promised| **promised == self.promise_of(promised.broker_epoch))?;
        let all_say_so = others.iter().all(|other| other.kept_epoch.as_ref() == Some(promised));
        (all_say_so && self.not_taken.is_empty()).then_some(promised.broker_epoch)
    }

    fn promise_of(&self, broker_epoch: i64) -> KeptEpoch {
        KeptEpoch::new(broker_epoch, RELEASE, self.directories.iter().map(|directory| directory.id))
    }

    /// True unless a log that was opened here was found to have lost something that was synced, or could not be opened at all, or a directory
    /// has failed: then nothing may be promised, and nothing that was promised be believed.
    #[must_use]
    pub fn have_kept_all(&self) -> bool {
        self.not_taken.is_empty()
            && self.directories.iter().all(|directory| {
                let has_lost =
                    directory.has_unopened.load(Ordering::Relaxed) || directory.has_lost.load(Ordering::Relaxed);
                !has_lost && !directory.condition.is_offline()
            })
    }

    /// Promises it for `broker_epoch`, in which the broker was not counted for anything yet; where that may not be, what was promised before
    /// goes as well. Blocks.
    ///
    /// # Errors
    /// A disk failed. What was written is worth nothing without the rest.
    pub fn promise_to_keep(&self, broker_epoch: i64) -> Result<(), IoError> {
        if broker_epoch < 0 || !self.have_kept_all() {
            return self.take_promise_back();
        }
        let state = self.promise.lock();
        if *state == State::TakenBack {
            return Ok(());
        }
        let promise = self.promise_of(broker_epoch);
        for directory in &self.directories {
            let written = promise.write(self.disk.fs(), &directory.path);
            written.inspect_err(|error| directory.condition.noticed(error))?;
        }
        Ok(())
    }

    /// True when the promise was taken back.
    #[must_use]
    pub fn promise_nothing(&self) -> bool {
        *self.promise.lock() == State::TakenBack
    }

    /// Takes it back, for as long as this process lives. From then on partitions may be hosted that do not wait for their disk. Blocks, the
    /// first time.
    ///
    /// # Errors
    /// Every disk failed: the promise stands, and must be kept.
    pub fn take_promise_back(&self) -> Result<(), IoError> {
        let mut state = self.promise.lock();
        if *state == State::TakenBack {
            return Ok(());
        }
        let mut result = Ok(());
        let mut any = false;
        for directory in &self.directories {
            match KeptEpoch::remove(self.disk.fs(), &directory.path) {
                // One is enough: the others are believed only with it.
                Ok(()) => any = true,
                Err(error) => {
                    directory.condition.noticed(&error);
                    result = Err(error);
                }
            }
        }
        if any {
            *state = State::TakenBack;
            return Ok(());
        }
        result
    }
}

#[cfg(test)]
mod tests;
