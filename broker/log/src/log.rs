//! The log of one partition: segments in order, the last one active, with all that is known of its offsets, epochs and producers.
//! The caller holds a lock around it; what may take long (reading, syncing) is handed out as a ticket to be run outside.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use barnabas_types::{Offset, Timestamp};

use crate::LogConfig;
use crate::fs::{Disk, File, IoError};
use crate::leader_epochs::LeaderEpochs;
use crate::producer::ProducerState;
use crate::segment::{ActiveSegment, SealedSegment};

/// One partition's log.
#[derive(Debug)]
pub struct Log {
    pub(crate) disk: Arc<Disk>,
    pub(crate) directory: Arc<Path>,
    /// Shared by the logs of a topic: there may be very many that rest.
    pub(crate) config: Arc<LogConfig>,
    /// By base offset, ascending.
    pub(crate) sealed: Vec<Arc<SealedSegment>>,
    pub(crate) active: ActiveSegment,
    pub(crate) log_start: Offset,
    pub(crate) durable_end: Offset,
    pub(crate) epochs: LeaderEpochs,
    pub(crate) producers: ProducerState,
    pub(crate) unsynced: Unsynced,
    /// Grows with every cut, so that a sync begun before it does not count for what was written after it.
    pub(crate) cuts: u64,
    /// A sync failed, or a change broke off: nothing may be appended any more.
    pub(crate) offline: bool,
    /// Everything below was compacted.
    pub(crate) cleaned_to: Offset,
    /// The base offset of a compacted segment that counts after a crash, though it is not in its place yet.
    pub(crate) swapping: Option<Offset>,
    /// How it was opened, if the files needed nothing to be opened so again.
    pub(crate) opened: Option<Shape>,
}

/// What changes when anything in a log's files does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    end: Offset,
    segments: usize,
    cuts: u64,
    unsynced: usize,
}

/// What a flush has to sync besides the active segment's batches. Things stay here until a flush that covered them succeeded,
/// so that flushes may overlap and fail.
#[derive(Debug, Default)]
pub(crate) struct Unsynced {
    pub(crate) items: Vec<Dirty>,
    /// How many items were ever synced and taken out: the number of the first one in the list.
    pub(crate) synced: usize,
}

/// Something to sync.
#[derive(Clone, Debug)]
pub(crate) enum Dirty {
    /// The batches of a segment that was sealed.
    File(Arc<dyn File>),
    /// An index or a producer snapshot, which nobody keeps open.
    Path(PathBuf),
    /// The names in the partition's directory.
    Directory,
}

impl Unsynced {
    pub(crate) fn add(&mut self, dirty: Dirty) {
        self.items.push(dirty);
    }

    pub(crate) fn add_all(&mut self, dirty: impl IntoIterator<Item = Dirty>) {
        self.items.extend(dirty);
    }

    /// The number that the next item will have.
    pub(crate) fn next(&self) -> usize {
        self.synced + self.items.len()
    }

    /// Takes out the items numbered below `next`.
    pub(crate) fn take_out(&mut self, next: usize) {
        let count = next.saturating_sub(self.synced).min(self.items.len());
        self.items.drain(..count);
        self.synced += count;
    }
}

impl Log {
    /// The partition's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The disk it lies on.
    #[must_use]
    pub fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Puts other settings in force, for all that comes.
    pub fn set_config(&mut self, config: impl Into<Arc<LogConfig>>) {
        self.config = config.into();
    }

    /// Gives the next `bytes` bytes, or at least `needed` of them, their place on the disk, for a caller that must know before it appends
    /// whether there is room: the quorum's log. A segment that has to be rolled for them needs a little more.
    ///
    /// # Errors
    /// The disk is full, or failed; the log is as it was.
    pub fn reserve(&mut self, bytes: u64, needed: u64) -> Result<(), IoError> {
        self.active.reserve(&self.disk, bytes, needed)
    }

    /// The first offset that may be read.
    #[must_use]
    pub fn log_start(&self) -> Offset {
        self.log_start
    }

    /// The offset that the next record gets.
    #[must_use]
    pub fn log_end(&self) -> Offset {
        self.active.next_offset
    }

    /// Every record below this offset survives a power cut.
    #[must_use]
    pub fn durable_end(&self) -> Offset {
        self.durable_end
    }

    /// True once a sync has failed or a change has broken off.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// The leader epochs.
    #[must_use]
    pub fn leader_epochs(&self) -> &LeaderEpochs {
        &self.epochs
    }

    /// The producers.
    #[must_use]
    pub fn producers(&self) -> &ProducerState {
        &self.producers
    }

    /// Where read-committed readers stop: before the first transaction of which it is not settled below `high_watermark` how it
    /// ends; at the high watermark when there is none.
    #[must_use]
    pub fn last_stable_offset(&self, high_watermark: Offset) -> Offset {
        let unstable = self.producers.first_unstable(high_watermark);
        unstable.map_or(high_watermark, |first| first.max(self.log_start).min(high_watermark))
    }

    /// The high watermark is now `high_watermark`, and never less: markers below it stay.
    pub fn watermark_moved(&mut self, high_watermark: Offset) {
        self.producers.settle(high_watermark);
    }

    /// Forgets producers silent for longer than the settings say.
    pub fn expire_producers(&mut self, now: Timestamp) {
        self.producers.expire(now, self.config.producer_id_expiration_ms);
    }

    /// Bytes of batches in all segments.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.sealed.iter().map(|segment| segment.size).sum::<u64>() + self.active.size
    }

    /// True when nothing was ever written to it: closed, it opens without a look at its files ([`crate::empty_logs`]).
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        let keeps_nothing = self.epochs.keeps_nothing() && self.producers.keeps_nothing();
        self.log_end().0 == 0 && self.sealed.is_empty() && !self.offline && keeps_nothing
    }

    /// Number of segments, at least 1.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.sealed.len() + 1
    }

    /// The base offsets of all segments, ascending.
    pub fn segment_base_offsets(&self) -> impl Iterator<Item = Offset> {
        self.sealed.iter().map(|segment| segment.base_offset).chain([self.active.base_offset])
    }

    pub(crate) fn shape(&self) -> Shape {
        Shape { end: self.log_end(), segments: self.segments(), cuts: self.cuts, unsynced: self.unsynced.next() }
    }

    /// The sealed segment that holds `offset`, or would.
    pub(crate) fn sealed_holding(&self, offset: Offset) -> Option<&Arc<SealedSegment>> {
        if offset >= self.active.base_offset {
            return None;
        }
        let after = self.sealed.partition_point(|segment| segment.base_offset <= offset);
        self.sealed.get(after.saturating_sub(1))
    }

    /// Where `offset` lies in bytes: base offset of its segment and the segments' bytes before it. For lag in bytes only.
    #[must_use]
    pub fn end_position(&self) -> (Offset, u64) {
        (self.active.base_offset, self.active.size)
    }
}
