//! How far this broker has come with opening its partitions: a line in the log now and then while it takes long, and figures for whoever
//! asks. Opens nothing itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use barnabas_log::Recovery;

/// Between two lines.
const TELL_INTERVAL: Duration = Duration::from_secs(5);

/// Counts of partitions to open and of what was read to recover them.
#[derive(Debug, Default)]
pub struct OpeningProgress {
    left: AtomicU64,
    recovered_logs: AtomicU64,
    recovered_bytes: AtomicU64,
}

impl OpeningProgress {
    /// Partitions that are to be opened and are not yet.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Logs that were read after a crash, since this process began.
    #[must_use]
    pub fn recovered_logs(&self) -> u64 {
        self.recovered_logs.load(Ordering::Relaxed)
    }

    /// Bytes of batches read and checked for that.
    #[must_use]
    pub fn recovered_bytes(&self) -> u64 {
        self.recovered_bytes.load(Ordering::Relaxed)
    }

    /// A log was opened so.
    pub fn opened(&self, recovery: &Recovery) {
        self.recovered_logs.fetch_add(u64::from(recovery.scanned_segments > 0), Ordering::Relaxed);
        self.recovered_bytes.fetch_add(recovery.scanned_bytes, Ordering::Relaxed);
    }

    /// `count` partitions are to be opened, beginning at the time `now`.
    pub fn begin(self: &Arc<Self>, count: usize, now: Duration) -> Opening {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.left.store(count, Ordering::Relaxed);
        Opening { progress: Arc::clone(self), all: count, began: now, told_ms: AtomicU64::new(milliseconds(now)) }
    }
}

/// One go at opening partitions.
#[derive(Debug)]
pub struct Opening {
    progress: Arc<OpeningProgress>,
    all: u64,
    began: Duration,
    /// When the last line was written, in ms.
    told_ms: AtomicU64,
}

impl Opening {
    /// One more is open, or will not open, at the time `now`.
    pub fn one_more(&self, now: Duration) {
        let left = self.progress.left.fetch_sub(1, Ordering::Relaxed).saturating_sub(1);
        let (told_ms, now_ms) = (self.told_ms.load(Ordering::Relaxed), milliseconds(now));
        if now_ms.saturating_sub(told_ms) >= milliseconds(TELL_INTERVAL) {
            self.told_ms.store(now_ms, Ordering::Relaxed);
            let (done, all) = (self.all - left.min(self.all), self.all);
            let recovered_mib = self.progress.recovered_bytes() >> 20;
            tracing::info!(
                recovered_mib,
                "opened {done} of {all} partitions in {} s",
                now.saturating_sub(self.began).as_secs()
            );
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_and_what_was_read_is_counted() {
        let progress = Arc::new(OpeningProgress::default());
        let opening = progress.begin(2, Duration::ZERO);
        progress.opened(&Recovery { scanned_segments: 2, scanned_bytes: 100, ..Recovery::default() });
        opening.one_more(Duration::from_secs(9));
        assert_eq!((progress.left(), progress.recovered_logs(), progress.recovered_bytes()), (1, 1, 100));
        progress.opened(&Recovery::default());
        opening.one_more(Duration::from_secs(9));
        assert_eq!((progress.left(), progress.recovered_logs(), progress.recovered_bytes()), (0, 1, 100));
    }
}
