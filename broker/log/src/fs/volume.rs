//! Syncs a mounted file system as a whole (`syncfs`). Only where the kernel reports every failed write there, which Linux does from
//! 5.8 on, and only through a directory that was open before anything was written: it tells of failures since then.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{IoError, Operation, Volume};

/// The first kernel whose `syncfs` says that a write has failed (commit 735e4ae5ba28, "vfs: track per-sb writeback errors").
const FIRST_RELIABLE: (u32, u32) = (5, 8);

#[derive(Debug)]
struct MountedVolume {
    path: PathBuf,
    directory: File,
    device: u64,
}

impl Volume for MountedVolume {
    fn sync(&self) -> Result<(), IoError> {
        let synced = rustix::io::retry_on_intr(|| rustix::fs::syncfs(&self.directory));
        synced.map_err(|error| IoError::new(Operation::Sync, &self.path, error.into()))
    }

    fn holds(&self, file: &dyn super::File) -> bool {
        file.handle().metadata().is_ok_and(|metadata| metadata.dev() == self.device)
    }
}

pub(super) fn volume_of(path: &Path) -> Result<Option<Arc<dyn Volume>>, IoError> {
    let system = rustix::system::uname();
    if !is_reliable(&system.release().to_string_lossy()) {
        return Ok(None);
    }
    let opened = || -> io::Result<MountedVolume> {
        let directory = File::open(path)?;
        let device = directory.metadata()?.dev();
        Ok(MountedVolume { path: path.to_path_buf(), directory, device })
    };
    Ok(Some(Arc::new(opened().map_err(|error| IoError::new(Operation::Open, path, error))?)))
}

/// Whether the kernel of this release (`6.1.0-rc1`) says all. One that does not name its release that way is not trusted.
fn is_reliable(release: &str) -> bool {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= FIRST_RELIABLE,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fs as _;
    use super::*;

    #[test]
    fn kernels_before_5_8_are_not_trusted_to_tell_of_failed_writes() {
        for (release, reliable) in
            [("5.7.19", false), ("4.18.0-553.el8", false), ("5.8.0", true), ("5.15.0-91-generic", true), ("6.1", true)]
        {
            assert_eq!(is_reliable(release), reliable, "{release}");
        }
        assert!(!is_reliable("Darwin"));
        assert!(!is_reliable(""));
    }

    #[test]
    fn a_volume_syncs_through_any_of_its_directories() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("file"), b"bytes").unwrap();
        if let Some(volume) = volume_of(directory.path()).unwrap() {
            volume.sync().unwrap();
            let file = super::super::RealFs.open(&directory.path().join("file"), super::super::OpenMode::Read).unwrap();
            assert!(volume.holds(&*file));
        }
        assert!(volume_of(&directory.path().join("missing")).is_err());
    }
}
