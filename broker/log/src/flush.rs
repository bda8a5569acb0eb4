//! Making a log durable: what has to be synced is noted under the lock, the syncing happens outside it, then the log is told.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use barnabas_types::Offset;

use crate::error::ChangeError;
use crate::files;
use crate::fs::{Disk, File, IoError, OpenMode, Volume};
use crate::log::{Dirty, Log};

/// What has to be synced so that the log is durable up to an offset. Says nothing until it is run and handed back.
#[derive(Debug)]
#[must_use = "a flush counts only once it was run and handed to Log::flushed"]
pub struct FlushTicket {
    disk: Arc<Disk>,
    items: Vec<Dirty>,
    /// The number of the first item that this ticket does not cover.
    next: usize,
    /// The active segment's batches, if they are open.
    active: Option<Arc<dyn File>>,
    active_path: PathBuf,
    directory: Arc<Path>,
    end: Offset,
    /// Base offset and bytes of the active segment.
    covered: (Offset, u64),
    cuts: u64,
    result: Option<Result<(), IoError>>,
}

impl FlushTicket {
    /// The log end that becomes durable.
    #[must_use]
    pub fn end(&self) -> Offset {
        self.end
    }

    /// As if `log` had not been cut since: a bug, for a simulation to find.
    #[cfg(feature = "seeded-bugs")]
    pub fn ignore_cuts(mut self, log: &Log) -> Self {
        self.cuts = log.cuts;
        self
    }

    /// Syncs; blocks for as long as the disk takes.
    pub fn run(mut self) -> Self {
        self.result = Some(self.sync());
        self
    }

    /// Syncs all of `tickets` by syncing `volume`, and file by file those that are not on it. When the volume says that a write has
    /// failed, which it says once and not of which file, all are synced file by file, and the error is the second of what is returned:
    /// the volume must not be asked again, because the file whose write it was may not be among these.
    pub fn run_all(tickets: Vec<Self>, volume: &dyn Volume) -> (Vec<Self>, Option<IoError>) {
        let failure = volume.sync().err();
        let done = tickets.into_iter().map(|mut ticket| {
            if failure.is_some() || !ticket.active.as_ref().is_some_and(|file| volume.holds(&**file)) {
                return ticket.run();
            }
            ticket.result = Some(Ok(()));
            ticket
        });
        (done.collect(), failure)
    }

    fn sync(&self) -> Result<(), IoError> {
        let fs = self.disk.fs();
        for item in &self.items {
            match item {
                Dirty::File(file) => file.sync()?,
                Dirty::Directory => match fs.sync_directory(&self.directory) {
                    // The partition was deleted meanwhile: its directory has another name.
                    Err(error) if error.is_not_found() => {}
                    synced => synced?,
                },
                Dirty::Path(path) => match fs.open(path, OpenMode::Write) {
                    Ok(file) => file.sync()?,
                    // An index or a snapshot that was removed meanwhile, with its segment.
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error),
                },
            }
        }
        match &self.active {
            Some(file) => file.sync(),
            None => self.sync_resting(),
        }
    }

    /// A file that was closed since it was written to.
    fn sync_resting(&self) -> Result<(), IoError> {
        let fs = self.disk.fs();
        match fs.open(&self.active_path, OpenMode::Write) {
            Ok(file) => file.sync(),
            // The partition was deleted meanwhile.
            Err(error) if error.is_not_found() && fs.list(&self.directory).is_err_and(|error| error.is_not_found()) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl Log {
    /// True when there are records that a sync would make durable.
    #[must_use]
    pub fn has_unsynced_records(&self) -> bool {
        !self.offline && self.durable_end < self.log_end()
    }

    /// True when a sync would make something durable: records, or files beside them.
    #[must_use]
    pub fn is_unsynced(&self) -> bool {
        !self.offline && (self.log_end() != self.durable_end || !self.unsynced.items.is_empty())
    }

    /// What has to be synced for everything appended so far to be durable; none when it is.
    pub fn prepare_flush(&self) -> Option<FlushTicket> {
        if !self.is_unsynced() {
            return None;
        }
        Some(FlushTicket {
            disk: Arc::clone(&self.disk),
            items: self.unsynced.items.clone(),
            next: self.unsynced.next(),
            active: self.active.opened_file(),
            active_path: self.active.path(files::LOG),
            directory: Arc::clone(&self.directory),
            end: self.log_end(),
            covered: (self.active.base_offset, self.active.size),
            cuts: self.cuts,
            result: None,
        })
    }

    /// Takes a ticket back: returns the new durable end. Tickets may
    /// overlap; one that was not run changes nothing. After a failed sync the log is offline: the system may have dropped the bytes and would call the next sync a success.
    pub fn flushed(&mut self, ticket: FlushTicket) -> Result<Offset, IoError> {
        match ticket.result {
            Some(Ok(())) => {
                self.unsynced.take_out(ticket.next);
                if ticket.cuts == self.cuts {
                    if ticket.covered.0 == self.active.base_offset {
                        self.active.synced(ticket.covered.1);
                    }
                    self.durable_end = self.durable_end.max(ticket.end);
                }
                Ok(self.durable_end)
            }
            Some(Err(error)) => {
                self.offline = true;
                Err(error)
            }
            None => Ok(self.durable_end),
        }
    }

    /// Syncs at once, for callers that may block: the quorum's log, recovery, shutdown.
    pub fn flush(&mut self) -> Result<Offset, IoError> {
        match self.prepare_flush() {
            Some(ticket) => self.flushed(ticket.run()),
            None => Ok(self.durable_end),
        }
    }

    /// Nobody knows any more whether what is in memory agrees with the files: nothing is written until the log is opened again.
    pub fn take_offline(&mut self) {
        self.offline = true;
    }

    /// Leaves the log so that it can be opened without a scan: indexes complete, producers in a snapshot, everything synced. One that is as
    /// it was opened stays as it is.
    /// A log that is offline is not closed: it has to be recovered.
    pub fn close(&mut self) -> Result<(), ChangeError> {
        self.close_unsynced()?;
        self.flush()?;
        Ok(())
    }

    /// As [`Log::close`], but leaves the sync to the caller, who may have more logs to sync with it: the log is closed once it was
    /// flushed.
    ///
    /// # Errors
    /// The disk failed, or the log is offline.
    pub fn close_unsynced(&mut self) -> Result<(), ChangeError> {
        if self.offline {
            return Err(ChangeError::Offline);
        }
        self.epochs.save_records(self.disk.fs(), &self.directory)?;
        self.active.trim(&self.disk)?;
        if self.opened == Some(self.shape()) {
            return Ok(());
        }
        self.active.write_indexes(self.disk.fs())?;
        if let Some(path) = self.producers.write_snapshot(self.disk.fs(), &self.directory)? {
            self.unsynced.add(Dirty::Path(path));
        }
        self.unsynced.add_all(self.active.dirty());
        self.unsynced.add(Dirty::Directory);
        Ok(())
    }
}
