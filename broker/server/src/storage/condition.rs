//! What a log directory can do at the moment: take records, or not, and why not. Set by those who look at the disk and by those who
//! are told of its failures; asked by every append. Looks at no disk itself.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use barnabas_log::fs::{IoError, Operation, Space};
use rustix::io::Errno;
use tokio::sync::{Notify, watch};

use super::writes::{Writes, Writing};

/// Below its reserve: clients' records are refused.
const FULL: u8 = 1;
/// A sync or a write has not finished in time: nobody's records are taken.
const SLOW: u8 = 2;
/// The disk has failed, for good.
const OFFLINE: u8 = 4;
/// A write has been under way for so long that nobody should wait for the lock under which it is made.
const STALLED: u8 = 8;
/// No figure yet.
const UNKNOWN: u64 = u64::MAX;

/// Why records are refused before anything is written.
///
/// Clients are told KAFKA_STORAGE_ERROR. Both Java's clients (KafkaStorageException is an InvalidMetadataException) and librdkafka retry
/// it and ask for the leaders first, so that with other replicas they find a broker with a sound disk. NOT_ENOUGH_REPLICAS would be
/// retried too, but at the same broker; any code that is not retried would lose the records that wait in producers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Below the reserve.
    #[error("the broker's disk is full; records are taken again once there is room")]
    Full,
    /// The disk does not finish what it was given.
    #[error("the broker's disk does not answer; records are taken again once it does")]
    Slow,
    /// The disk has failed.
    #[error("the broker's disk has failed")]
    Offline,
}

/// The condition of one log directory.
#[derive(Debug)]
pub struct Condition {
    path: PathBuf,
    flags: AtomicU8,
    total_bytes: AtomicU64,
    usable_bytes: AtomicU64,
    times_full: AtomicU64,
    times_slow: AtomicU64,
    /// The system has refused a write for want of room since somebody looked.
    out_of_space: AtomicBool,
    look_now: Notify,
    offline: watch::Sender<bool>,
    writes: Writes,
}

impl Default for Condition {
    fn default() -> Self {
        Self::new(PathBuf::new())
    }
}

impl Condition {
    /// A sound directory at `path`.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            flags: AtomicU8::new(0),
            total_bytes: AtomicU64::new(UNKNOWN),
            usable_bytes: AtomicU64::new(UNKNOWN),
            times_full: AtomicU64::new(0),
            times_slow: AtomicU64::new(0),
            out_of_space: AtomicBool::new(false),
            look_now: Notify::new(),
            offline: watch::Sender::new(false),
            writes: Writes::default(),
        }
    }

    fn flags(&self) -> u8 {
        self.flags.load(Ordering::Acquire)
    }

    /// Sets or clears `flag`; true when that changed something.
    fn set(&self, flag: u8, on: bool) -> bool {
        let before = match on {
            true => self.flags.fetch_or(flag, Ordering::AcqRel),
            false => self.flags.fetch_and(!flag, Ordering::AcqRel),
        };
        (before & flag != 0) != on
    }

    /// Whether a client's records are taken.
    ///
    /// # Errors
    /// Why not.
    pub fn takes_clients(&self) -> Result<(), Refusal> {
        match self.flags() & !STALLED {
            0 => Ok(()),
            flags if flags & (OFFLINE | SLOW) == 0 => Err(Refusal::Full),
            _ => self.takes_internal(),
        }
    }

    /// Whether records of the broker's own coordinators are taken: they go on into the reserve.
    ///
    /// # Errors
    /// Why not.
    pub fn takes_internal(&self) -> Result<(), Refusal> {
        match self.flags() {
            flags if flags & OFFLINE != 0 => Err(Refusal::Offline),
            flags if flags & SLOW != 0 => Err(Refusal::Slow),
            _ => Ok(()),
        }
    }

    /// True below the reserve.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.flags() & FULL != 0
    }

    /// This thread begins to write into the directory, or to change names in it.
    pub fn begin_write(&self) -> Writing<'_> {
        self.writes.begin()
    }

    /// The writes under way.
    #[must_use]
    pub fn writes(&self) -> &Writes {
        &self.writes
    }

    /// True while a sync or a write has not finished in time.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.flags() & SLOW != 0
    }

    /// True while a write may hang, long before no records are taken for that.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.flags() & (STALLED | SLOW) != 0
    }

    /// Notes whether a write has been under way for long.
    pub fn set_stalled(&self, stalled: bool) {
        self.set(STALLED, stalled);
    }

    /// True once the disk has failed.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.flags() & OFFLINE != 0
    }

    /// Size and room when somebody looked last.
    #[must_use]
    pub fn space(&self) -> Option<Space> {
        let total_bytes = self.total_bytes.load(Ordering::Relaxed);
        let usable_bytes = self.usable_bytes.load(Ordering::Relaxed);
        (usable_bytes != UNKNOWN).then_some(Space { total_bytes, usable_bytes })
    }

    /// How often it was full, and how often a sync or a write took too long.
    #[must_use]
    pub fn times(&self) -> (u64, u64) {
        (self.times_full.load(Ordering::Relaxed), self.times_slow.load(Ordering::Relaxed))
    }

    /// Notes what somebody saw who looked.
    pub fn saw_space(&self, space: Space) {
        self.total_bytes.store(space.total_bytes, Ordering::Relaxed);
        self.usable_bytes.store(space.usable_bytes, Ordering::Relaxed);
    }

    /// Whether the system has refused a write for want of room since this was asked last.
    pub fn take_out_of_space(&self) -> bool {
        self.out_of_space.swap(false, Ordering::AcqRel)
    }

    /// Resolves when the system has refused a write for want of room.
    pub async fn asked_to_look(&self) {
        self.look_now.notified().await;
    }

    /// Enters or leaves the state of a full disk; told once each.
    pub fn set_full(&self, full: bool, reserve_bytes: u64) {
        if !self.set(FULL, full) {
            return;
        }
        let (directory, usable_bytes) = (self.path.display(), self.usable_bytes.load(Ordering::Relaxed));
        if full {
            self.times_full.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                %directory, usable_bytes, reserve_bytes,
                "the disk is full: Produce is refused until there is room; free space on the volume or enlarge it, or let topics \
                 keep less (retention.bytes, retention.ms). Everything else goes on"
            );
        } else {
            tracing::info!(%directory, usable_bytes, reserve_bytes, "there is room on the disk again: Produce is taken");
        }
    }

    /// Enters or leaves the state of a disk that does not answer; told once each. True when that changed something.
    pub fn set_slow(&self, slow: bool, took: Duration) -> bool {
        if !self.set(SLOW, slow) {
            return false;
        }
        let (directory, seconds) = (self.path.display(), took.as_secs_f32());
        if slow {
            self.times_slow.fetch_add(1, Ordering::Relaxed);
            tracing::error!(
                %directory, seconds,
                "a sync or a write does not finish: the directory's partitions take no records until it does, and no other broker leads them meanwhile; \
                 look at the volume (iostat, dmesg), or stop the broker for others to lead"
            );
        } else if !self.is_offline() {
            tracing::info!(%directory, "the disk answers again: the directory's partitions take records again");
        }
        true
    }

    /// The disk has failed: nothing in this directory is written any more until the broker is started again.
    pub fn fail(&self, error: &dyn std::error::Error) {
        if self.set(OFFLINE, true) {
            tracing::error!(
                directory = %self.path.display(), %error,
                "the log directory has failed, its partitions are offline: look at the volume (dmesg), repair or replace it, then \
                 start the broker again"
            );
            self.offline.send_replace(true);
        }
    }

    /// Resolves once the disk has failed.
    pub async fn failed(&self) {
        // The sender is here, so that it cannot be gone.
        _ = self.offline.subscribe().wait_for(|offline| *offline).await;
    }

    /// An operation on the directory has failed with `error`: draws from it what concerns more than that operation.
    pub fn noticed(&self, error: &IoError) {
        if error.is_out_of_space() {
            self.out_of_space.store(true, Ordering::Release);
            self.look_now.notify_one();
        } else if concerns_the_disk(error) {
            self.fail(error);
        }
    }
}

/// Whether nothing of the disk can be relied on after `error`. Kafka gives up the directory after any failed call; here it takes one that
/// tells of the device or the file system. A region that cannot be read is one segment's matter, and the rest of a healthy disk is
/// served; a write that fails is not, because where it went is for the file system to choose. Descriptors and memory that have run
/// out, rights and names that somebody has changed say nothing of the disk. A failed sync is final whatever it says
/// ([`Condition::fail`]).
fn concerns_the_disk(error: &IoError) -> bool {
    match Errno::from_io_error(&error.source) {
        // The device is gone, or the server or process behind the mount.
        Some(Errno::NXIO | Errno::NODEV | Errno::STALE | Errno::NOTCONN) => true,
        Some(Errno::IO | Errno::ROFS | Errno::UCLEAN) => {
            !matches!(error.operation, Operation::Read | Operation::Stat | Operation::List)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(operation: Operation, errno: Errno) -> IoError {
        IoError::new(operation, "/data/orders-0/0.log", errno.into())
    }

    #[test]
    fn failed_writes_take_the_directory_offline_and_a_failed_read_does_not() {
        for (operation, errno, offline) in [
            (Operation::Write, Errno::IO, true),
            (Operation::Write, Errno::ROFS, true),
            (Operation::Rename, Errno::UCLEAN, true),
            (Operation::Read, Errno::IO, false),
            (Operation::Read, Errno::NODEV, true),
            (Operation::Write, Errno::NOSPC, false),
            (Operation::Open, Errno::MFILE, false),
            (Operation::Open, Errno::ACCESS, false),
            (Operation::Open, Errno::NOENT, false),
        ] {
            let condition = Condition::default();
            condition.noticed(&error(operation, errno));
            assert_eq!(condition.is_offline(), offline, "{operation} {errno}");
            assert_eq!(condition.take_out_of_space(), errno == Errno::NOSPC);
        }
    }

    #[test]
    fn a_full_disk_refuses_clients_and_not_the_brokers_own_records() {
        let condition = Condition::default();
        condition.set_full(true, 1);
        condition.set_full(true, 1);
        assert_eq!(condition.takes_clients(), Err(Refusal::Full));
        assert_eq!(condition.takes_internal(), Ok(()));
        condition.set_full(false, 1);
        assert_eq!(condition.takes_clients(), Ok(()));
        assert_eq!(condition.times(), (1, 0));
    }

    #[tokio::test]
    async fn a_failed_disk_stays_failed() {
        let condition = Condition::default();
        condition.fail(&error(Operation::Sync, Errno::IO));
        condition.failed().await;
        condition.set_full(false, 1);
        condition.set_slow(false, Duration::ZERO);
        assert_eq!(condition.takes_clients(), Err(Refusal::Offline));
        assert_eq!(condition.takes_internal(), Err(Refusal::Offline));
    }
}
