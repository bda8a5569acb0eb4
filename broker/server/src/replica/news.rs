//! Which partitions have moved since a fetch session last looked: a partition notes its place with every session that watches it, so that a
//! session of 10,000 idle partitions costs nothing. Knows no offset: who is told looks again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What has moved of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The log's end: followers have something to read.
    LogEnd,
    /// The high watermark: consumers have something to read.
    HighWatermark,
    /// The log's first offset: nobody waits for that.
    LogStart,
    /// Something else (leadership, deletion): whoever waits looks again.
    All,
}

/// What a session, or one Fetch, has not looked at yet.
#[derive(Debug)]
pub struct News {
    for_follower: bool,
    noted: Mutex<Vec<Arc<Place>>>,
    woken: Notify,
    waiting: AtomicUsize,
    /// Nobody asks for them any more.
    is_ended: AtomicBool,
}

#[derive(Debug)]
struct Place {
    number: u64,
    /// It is in `noted`.
    is_noted: AtomicBool,
}

#[derive(Debug)]
struct Entry {
    place: Arc<Place>,
    news: Arc<News>,
}

impl News {
    /// None yet, for a session of a follower or of a consumer.
    #[must_use]
    pub fn new(for_follower: bool) -> Arc<Self> {
        let (noted, woken, waiting) = (Mutex::default(), Notify::new(), AtomicUsize::new(0));
        Arc::new(Self { for_follower, noted, woken, waiting, is_ended: AtomicBool::new(false) })
    }

    /// The places of the partitions that have moved, each once. What moves from here on is noted again, so that it may be looked at now.
    #[must_use]
    pub fn take(&self) -> Vec<u64> {
        let noted = std::mem::take(&mut *self.noted());
        let take = |place: Arc<Place>| {
            place.is_noted.store(false, Ordering::SeqCst);
            place.number
        };
        noted.into_iter().map(take).collect()
    }

    /// Returns once there is something to look at; now and then without a reason.
    pub async fn come(&self) {
        self.woken.notified().await;
    }

    /// Whoever waits for them waits in vain: it is woken.
    pub fn end(&self) {
        self.is_ended.store(true, Ordering::SeqCst);
        self.woken.notify_one();
    }

    /// True when the session that they are of was given up.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.is_ended.load(Ordering::SeqCst)
    }

    /// Somebody waits until this is dropped.
    #[must_use]
    pub fn begin_waiting(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        Waiting(Arc::clone(self))
    }

    /// True while somebody waits.
    #[cfg(test)]
    pub fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    fn noted(&self) -> MutexGuard<'_, Vec<Arc<Place>>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wakes_for(&self, moved: Moved) -> bool {
        match moved {
            Moved::LogEnd => self.for_follower,
            Moved::HighWatermark => !self.for_follower,
            Moved::LogStart => false,
            Moved::All => true,
        }
    }
}

/// Somebody waits for news.
#[derive(Debug)]
pub struct Waiting(Arc<News>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Those who watch one partition.
#[derive(Debug, Default)]
pub struct Watchers(Mutex<Vec<Entry>>);

impl Watchers {
    /// Notes `place` with `news` whenever the partition moves, as long as the answer is kept.
    #[must_use]
    pub fn watch(self: &Arc<Self>, place: u64, news: &Arc<News>) -> Watch {
        let place = Arc::new(Place { number: place, is_noted: AtomicBool::new(false) });
        self.entries().push(Entry { place: Arc::clone(&place), news: Arc::clone(news) });
        Watch { watchers: Arc::clone(self), place }
    }

    /// The partition has moved; its lock need not be held any more, but what has moved can be seen.
    pub fn note(&self, moved: Moved) {
        for entry in self.entries().iter() {
            if !entry.place.is_noted.swap(true, Ordering::SeqCst) {
                entry.news.noted().push(Arc::clone(&entry.place));
            }
            if entry.news.wakes_for(moved) {
                entry.news.woken.notify_one();
            }
        }
    }

    /// True when a consumer waits.
    #[must_use]
    pub fn has_waiting_consumers(&self) -> bool {
        let waits = |entry: &Entry| !entry.news.for_follower && entry.news.waiting.load(Ordering::SeqCst) > 0;
        self.entries().iter().any(waits)
    }

    /// How many sessions watch.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.entries().len()
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A partition is watched as long as this is kept.
#[derive(Debug)]
pub struct Watch {
    watchers: Arc<Watchers>,
    place: Arc<Place>,
}

impl Watch {
    /// True when it watches that partition.
    #[must_use]
    pub fn is_of(&self, watchers: &Arc<Watchers>) -> bool {
        Arc::ptr_eq(&self.watchers, watchers)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut entries = self.watchers.entries();
        if let Some(index) = entries.iter().position(|entry| Arc::ptr_eq(&entry.place, &self.place)) {
            entries.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_partition_that_moves_is_noted_once_until_it_is_looked_at() {
        let (news, watchers) = (News::new(true), Arc::<Watchers>::default());
        let watch = watchers.watch(7, &news);
        assert!(watch.is_of(&watchers) && news.take().is_empty());
        watchers.note(Moved::LogEnd);
        watchers.note(Moved::HighWatermark);
        assert_eq!(news.take(), [7]);
        assert!(news.take().is_empty());
        watchers.note(Moved::LogStart);
        assert_eq!(news.take(), [7]);
        drop(watch);
        watchers.note(Moved::All);
        assert!(news.take().is_empty() && watchers.entries().is_empty());
    }

    #[test]
    fn a_follower_is_woken_by_the_end_of_the_log_and_a_consumer_by_the_watermark() {
        for (moved, wakes_follower, wakes_consumer) in [
            (Moved::LogEnd, true, false),
            (Moved::HighWatermark, false, true),
            (Moved::LogStart, false, false),
            (Moved::All, true, true),
        ] {
            for (for_follower, wakes) in [(true, wakes_follower), (false, wakes_consumer)] {
                let (news, watchers) = (News::new(for_follower), Arc::<Watchers>::default());
                let _watch = watchers.watch(1, &news);
                watchers.note(moved);
                assert_eq!(news.come().now_or_never().is_some(), wakes, "{moved:?}, for a follower: {for_follower}");
                assert_eq!(news.take(), [1], "it is looked at the next time in any case");
            }
        }
    }

    #[test]
    fn only_consumers_that_wait_count_as_waiting() {
        let (consumer, follower, watchers) = (News::new(false), News::new(true), Arc::<Watchers>::default());
        let _watches = (watchers.watch(1, &consumer), watchers.watch(1, &follower));
        let _follows = follower.begin_waiting();
        assert!(!watchers.has_waiting_consumers());
        let waits = consumer.begin_waiting();
        assert!(watchers.has_waiting_consumers());
        drop(waits);
        assert!(!watchers.has_waiting_consumers());
    }
}
