//! Topics that are gone and whose offsets a shard has still to forget. They wait beside its queue, because who publishes metadata must not
//! wait for a shard, whatever that is doing. Knows no offsets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use barnabas_types::Uuid;
use tokio::sync::Notify;

/// Topics that one change of the metadata has deleted: name and id of each. All shards share them.
pub type DeletedTopics = Arc<[(Box<str>, Uuid)]>;

/// So many topics wait for one shard. One change of the metadata is taken whole where nothing waits, however many it has: they are in
/// memory anyway.
const MAX_TOPICS: usize = 20_000;

/// What waits for one shard.
#[derive(Debug, Default)]
pub struct Deletions {
    waiting: Mutex<Waiting>,
    added: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    changes: VecDeque<DeletedTopics>,
    /// Of the first change so many are done.
    done: usize,
    topics: usize,
}

/// The topics were not taken: too many wait.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

impl Deletions {
    /// Lets them wait, and wakes the shard. Never waits itself.
    ///
    /// # Errors
    /// So many wait that these do not. Their offsets stay until they expire, as they do in Kafka where a shard is loading.
    pub fn add(&self, topics: &DeletedTopics) -> Result<(), TooMany> {
        let mut waiting = self.waiting();
        let more = waiting.topics.saturating_add(topics.len());
        if topics.is_empty() {
            return Ok(());
        }
        if waiting.topics > 0 && more > MAX_TOPICS {
            return Err(TooMany);
        }
        waiting.topics = more;
        waiting.changes.push_back(Arc::clone(topics));
        drop(waiting);
        self.added.notify_one();
        Ok(())
    }

    /// Returns once some wait.
    pub async fn any(&self) {
        while self.waiting().topics == 0 {
            self.added.notified().await;
        }
    }

    /// The first ones, at most `count`; they go on waiting.
    pub fn first(&self, count: usize) -> Vec<(Box<str>, Uuid)> {
        let waiting = self.waiting();
        let topics = waiting.changes.iter().flat_map(|change| change.iter());
        topics.skip(waiting.done).take(count).cloned().collect()
    }

    /// The first `count` are done.
    pub fn done(&self, count: usize) {
        let mut waiting = self.waiting();
        waiting.topics = waiting.topics.saturating_sub(count);
        waiting.done = waiting.done.saturating_add(count);
        while let Some(first) = waiting.changes.front().map(|change| change.len())
            && first <= waiting.done
        {
            waiting.done -= first;
            waiting.changes.pop_front();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(numbers: std::ops::Range<u128>) -> DeletedTopics {
        numbers.map(|number| (number.to_string().into(), Uuid::from_u128(number))).collect()
    }

    #[tokio::test]
    async fn what_waits_is_done_in_its_order_across_changes() {
        let deletions = Deletions::default();
        for change in [topics(0..2), topics(2..2), topics(2..5), topics(5..6)] {
            deletions.add(&change).unwrap();
        }
        deletions.any().await;
        let mut seen = Vec::new();
        for count in [1, 3, 1, 9] {
            let first = deletions.first(count);
            assert_eq!(deletions.first(count), first, "they go on waiting");
            deletions.done(first.len());
            seen.extend(first);
        }
        assert_eq!(seen, topics(0..6).to_vec());
        assert!(deletions.first(1).is_empty());
        assert!(futures::FutureExt::now_or_never(deletions.any()).is_none());
        deletions.add(&topics(6..7)).unwrap();
        deletions.any().await;
    }

    #[test]
    fn no_more_wait_than_there_is_room_for_and_one_change_is_taken_whole() {
        let deletions = Deletions::default();
        let many = topics(0..MAX_TOPICS as u128 + 5);
        deletions.add(&many).unwrap();
        assert_eq!(deletions.add(&topics(0..1)), Err(TooMany));
        deletions.done(many.len() - 1);
        assert_eq!(deletions.add(&topics(0..MAX_TOPICS as u128)), Err(TooMany));
        deletions.add(&topics(0..MAX_TOPICS as u128 - 1)).unwrap();
        deletions.done(1);
        assert_eq!(deletions.first(usize::MAX).len(), MAX_TOPICS - 1);
    }
}
