//! Snapshots of the metadata: when one is due, and writing it beside the controller.

use std::path::PathBuf;

use barnabas_metadata::{Image, snapshot};
use barnabas_raft::SnapshotId;

use super::{Owner, SNAPSHOT_RETRY};
use crate::metadata::controller::Command;
use crate::metadata::error::Fatal;
use crate::raft::{self, QuorumError};

impl Owner {
    pub(super) fn maybe_snapshot(&mut self) -> Result<(), Fatal> {
        let now = self.runtime.now();
        let bytes = self.quorum.bytes_since_snapshot();
        if now.monotonic < self.snapshot_not_before {
            return Ok(());
        }
        let overdue = |interval| now.monotonic.saturating_sub(self.last_snapshot) >= interval;
        let wanted = bytes >= self.settings.max_bytes_between_snapshots
            || (bytes > 0 && self.settings.max_snapshot_interval.is_some_and(overdue));
        if !wanted || self.snapshot_running || self.committed.in_transaction() {
            return Ok(());
        }
        let image = self.committed.visible().clone();
        let version = image.features.metadata_version();
        let begun = match self.quorum.begin_snapshot(version, now) {
            Err(QuorumError::Io(error)) if error.is_out_of_space() => {
                tracing::warn!(%error, "no snapshot of the metadata can be begun; tried again later");
                self.snapshot_not_before = now.monotonic + SNAPSHOT_RETRY;
                return Ok(());
            }
            begun => begun?,
        };
        let Some((id, path, frame)) = begun else { return Ok(()) };
        self.last_snapshot = now.monotonic;
        self.snapshot_running = true;
        self.write_snapshot(id, path, frame, image);
        Ok(())
    }

    /// Writes a snapshot beside the controller; the image is a copy that shares everything.
    fn write_snapshot(&self, id: SnapshotId, path: PathBuf, frame: raft::Frame, image: Image) {
        let (disk, own_commands) = (self.quorum.disk(), self.own_commands.clone());
        self.runtime.spawn_blocking(move || {
            let written = raft::write_snapshot(disk.fs(), &path, &frame, snapshot::records(&image));
            let result = written.map(|()| id).map_err(|error| (path, error.to_string()));
            if let Some(commands) = own_commands.upgrade() {
                // The controller has stopped meanwhile: the next start finds the file.
                let _ = commands.blocking_send(Command::SnapshotWritten(result));
            }
        });
    }

    pub(super) fn snapshot_written(&mut self, result: Result<SnapshotId, (PathBuf, String)>) -> Result<(), Fatal> {
        self.snapshot_running = false;
        match result {
            Ok(id) => {
                tracing::info!(snapshot = %id, "a snapshot of the metadata is written");
                Ok(self.quorum.snapshot_written(id, self.runtime.now())?)
            }
            // The log still holds everything; the next attempt comes with the next limit that is reached.
            Err((path, error)) => {
                tracing::warn!(path = %path.display(), error, "a snapshot of the metadata could not be written");
                Ok(())
            }
        }
    }
}
