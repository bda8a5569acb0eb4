//! Requests that wait for a partition to move on: a Produce for the high watermark (a Fetch is told by `replica/news`). A waiter is
//! woken only by the partitions it named, after their locks are released. Decides nothing: who wakes looks again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barnabas_types::Offset;
use tokio::sync::Notify;

/// Those who wait for one mark (log end, high watermark …) of one partition.
#[derive(Debug, Default)]
pub struct WaitList {
    parked: Mutex<Vec<Entry>>,
    next_id: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    past: Offset,
    waiter: Arc<Notify>,
}

/// A place in a wait list; leaving it (drop) takes the waiter off the list.
#[derive(Debug)]
pub struct Parked {
    list: Arc<WaitList>,
    id: u64,
}

impl WaitList {
    /// Wakes `waiter` once the mark is greater than `past`. To miss nothing, register first, then look at the mark.
    #[must_use]
    pub fn park(self: &Arc<Self>, past: Offset, waiter: &Arc<Notify>) -> Parked {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        self.entries().push(Entry { id, past, waiter: Arc::clone(waiter) });
        Parked { list: Arc::clone(self), id }
    }

    /// True when nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries().is_empty()
    }

    /// The mark is now `mark`: wakes those who waited to see it pass.
    pub fn moved_to(&self, mark: Offset) {
        self.wake(|entry| entry.past < mark);
    }

    /// Something else changed (leadership, deletion): wakes everybody, so that they look again.
    pub fn wake_all(&self) {
        self.wake(|_| true);
    }

    fn wake(&self, ripe: impl Fn(&Entry) -> bool) {
        let mut entries = self.entries();
        let woken: Vec<Entry> = entries.extract_if(.., |entry| ripe(entry)).collect();
        drop(entries);
        for entry in woken {
            entry.waiter.notify_one();
        }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        let mut entries = self.list.entries();
        if let Some(index) = entries.iter().position(|entry| entry.id == self.id) {
            entries.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_waiter_is_woken_when_the_mark_passes_its_offset_and_not_before() {
        let list = Arc::new(WaitList::default());
        let waiter = Arc::new(Notify::new());
        let _parked = list.park(Offset(5), &waiter);
        list.moved_to(Offset(5));
        assert_eq!(list.entries().len(), 1);
        list.moved_to(Offset(6));
        waiter.notified().await;
        assert!(list.entries().is_empty());
    }

    #[tokio::test]
    async fn who_leaves_is_forgotten() {
        let list = Arc::new(WaitList::default());
        let waiter = Arc::new(Notify::new());
        let (first, second) = (list.park(Offset(1), &waiter), list.park(Offset(2), &waiter));
        drop(first);
        assert_eq!(list.entries().len(), 1);
        drop(second);
        assert!(list.entries().is_empty());
    }

    #[tokio::test]
    async fn a_change_that_is_no_offset_wakes_everybody() {
        let list = Arc::new(WaitList::default());
        let waiter = Arc::new(Notify::new());
        let _parked = list.park(Offset(100), &waiter);
        list.wake_all();
        waiter.notified().await;
    }
}
