//! The budget for requests in flight: a connection waits here before it reads on, so that many clients with large requests slow down
//! instead of growing the process without bound. Counts what has arrived, never what a peer says that it will send.
//!
//! Why nobody waits for ever: who waits to *begin* holds nothing. Who waits to *grow* holds a part, so all could hold parts and wait for
//! the rest; therefore the first of them gets the one `last` place and needs no more memory from then on. Whoever has it reads its
//! request to the end within a deadline, or its connection is closed; its handler waits for no memory of this budget; and then
//! the place is the next one's. So the budget is exceeded by one request at most, as Kafka's memory pool is.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The budget is counted in pages of this many bytes.
const PAGE_BYTES: usize = 1024;
/// What a request begins with. One that is no longer waits for nothing once it has begun.
pub const FIRST_STEP_BYTES: usize = 64 * 1024;
/// What requests begin with may take this part of the budget, which large ones cannot take from it: one in so many.
const FIRST_STEPS_PART: usize = 4;

/// Bytes that requests in flight may hold together.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    first: Pages,
    growth: Pages,
    last: Arc<Semaphore>,
}

#[derive(Clone, Debug)]
struct Pages {
    free: Arc<Semaphore>,
    total: usize,
}

/// A request's share of the budget; given back on drop.
#[derive(Debug)]
pub struct Reservation {
    bytes: usize,
    _first: Option<OwnedSemaphorePermit>,
    grown: Option<Box<Grown>>,
}

/// What a large request has beyond its first step.
#[derive(Debug, Default)]
struct Grown {
    pages: Vec<OwnedSemaphorePermit>,
    last: Option<OwnedSemaphorePermit>,
}

impl Pages {
    fn new(bytes: usize) -> Self {
        let total = bytes.div_ceil(PAGE_BYTES).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { free: Arc::new(Semaphore::new(total)), total }
    }

    /// As many as `bytes` need. Who needs more than there are at all needs all.
    fn count(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(PAGE_BYTES).min(self.total)).unwrap_or(u32::MAX)
    }

    fn try_take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_many_owned(self.count(bytes)).ok()
    }

    async fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).acquire_many_owned(self.count(bytes)).await.ok()
    }
}

impl MemoryBudget {
    /// A budget of `total_bytes`.
    #[must_use]
    pub fn new(total_bytes: usize) -> Self {
        let first_bytes = total_bytes / FIRST_STEPS_PART;
        let (first, growth) = (Pages::new(first_bytes), Pages::new(total_bytes - first_bytes));
        Self { first, growth, last: Arc::new(Semaphore::new(1)) }
    }

    /// Counts a request whose `bytes` are in memory already, as far as there is room: that it waits would free nothing.
    #[must_use]
    pub fn count(&self, bytes: usize) -> Reservation {
        Reservation { bytes, _first: self.first.try_take(bytes), grown: None }
    }

    /// Waits until the first step of a request of `bytes` is free and takes it.
    pub async fn begin(&self, bytes: usize) -> Reservation {
        let bytes = bytes.min(FIRST_STEP_BYTES);
        let first = match self.first.try_take(bytes) {
            None => self.first.take(bytes).await,
            taken => taken,
        };
        Reservation { bytes, _first: first, grown: None }
    }

    /// Waits until `reservation` can be of `bytes`. Cancelled, it leaves it as it is.
    pub async fn grow(&self, reservation: &mut Reservation, bytes: usize) {
        let more = bytes.saturating_sub(reservation.bytes);
        let grown = reservation.grown.get_or_insert_default();
        if more > 0 && grown.last.is_none() {
            match self.growth.try_take(more) {
                Some(pages) => grown.pages.push(pages),
                None => tokio::select! {
                    biased;
                    last = Arc::clone(&self.last).acquire_owned() => grown.last = last.ok(),
                    pages = self.growth.take(more) => grown.pages.extend(pages),
                },
            }
        }
        reservation.bytes = reservation.bytes.max(bytes);
    }

    /// Bytes that nobody holds.
    #[must_use]
    pub fn available_bytes(&self) -> usize {
        (self.first.free.available_permits() + self.growth.free.available_permits()) * PAGE_BYTES
    }
}

impl Reservation {
    /// How large it is.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it has the place that the others wait for.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.grown.as_ref().is_some_and(|grown| grown.last.is_some())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test]
    async fn what_is_reserved_comes_back() {
        let budget = MemoryBudget::new(8 * MIB);
        let mut held = budget.begin(3 * MIB).await;
        assert_eq!((held.bytes(), budget.available_bytes()), (FIRST_STEP_BYTES, 8 * MIB - FIRST_STEP_BYTES));
        budget.grow(&mut held, MIB).await;
        budget.grow(&mut held, 3 * MIB).await;
        assert_eq!((held.bytes(), budget.available_bytes()), (3 * MIB, 5 * MIB));
        assert!(!held.is_last());
        drop(held);
        assert_eq!(budget.available_bytes(), 8 * MIB);
    }

    #[tokio::test]
    async fn what_is_in_memory_already_waits_for_nothing() {
        let budget = MemoryBudget::new(4 * MIB);
        let held: Vec<_> = (0..2000).map(|_| budget.count(PAGE_BYTES)).collect();
        assert_eq!(budget.available_bytes(), 3 * MIB);
        drop(held);
        assert_eq!(budget.available_bytes(), 4 * MIB);
    }

    #[tokio::test]
    async fn of_those_that_hold_a_part_and_wait_one_goes_on_at_a_time() {
        let budget = MemoryBudget::new(4 * MIB);
        let (mut one, mut other, mut third) =
            (budget.begin(MIB).await, budget.begin(MIB).await, budget.begin(MIB).await);
        budget.grow(&mut one, 2 * MIB).await;
        budget.grow(&mut other, MIB + FIRST_STEP_BYTES).await;
        budget.grow(&mut other, 3 * MIB).await;
        assert!(other.is_last() && !one.is_last());
        let mut waiting = Box::pin(budget.grow(&mut third, MIB));
        assert!((&mut waiting).now_or_never().is_none());
        // Who has the place needs nothing more, however long its request is.
        assert!(budget.grow(&mut other, usize::MAX / 2).now_or_never().is_some());
        drop(other);
        waiting.await;
        assert_eq!((one.bytes(), third.bytes()), (2 * MIB, MIB));
        // What others begin with is theirs.
        assert!(budget.begin(MIB).now_or_never().is_some());
    }

    /// Requests of all sizes over a budget for few of them: each has got all that it needs in the end.
    #[tokio::test(start_paused = true)]
    async fn requests_that_grow_beside_each_other_all_come_to_their_end() {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from_le_bytes(crate::runtime::random_bytes()));
        println!("SEED={seed}");
        let mut state = seed;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let budget = MemoryBudget::new(2 * MIB);
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..300 {
            let size_bits = random(23);
            let (budget, bytes) = (budget.clone(), usize::try_from(random(1 << size_bits)).unwrap());
            let pauses: [u64; 3] = std::array::from_fn(|_| random(40));
            requests.spawn(async move {
                let mut held = budget.begin(bytes).await;
                while held.bytes() < bytes {
                    tokio::time::sleep(std::time::Duration::from_millis(pauses[held.bytes() % 3])).await;
                    let next = (2 * held.bytes()).min(bytes);
                    budget.grow(&mut held, next).await;
                }
            });
        }
        let all = async { while requests.join_next().await.transpose().unwrap().is_some() {} };
        tokio::time::timeout(std::time::Duration::from_secs(3600), all).await.expect("nobody waits for ever");
        assert_eq!(budget.available_bytes(), 2 * MIB);
    }
}
