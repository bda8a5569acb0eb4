//! The budget for requests in flight: a connection waits here before it reads a frame, so that many clients with large
//! requests slow down instead of growing the process without bound.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The budget is counted in pages of this many bytes.
const PAGE_BYTES: usize = 1024;

/// Bytes that requests in flight may hold together.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    pages: Arc<Semaphore>,
    total_pages: usize,
}

/// A request's share of the budget; given back on drop.
#[derive(Debug)]
pub struct Reservation {
    _permit: Option<OwnedSemaphorePermit>,
}

impl MemoryBudget {
    /// A budget of `total_bytes`.
    #[must_use]
    pub fn new(total_bytes: usize) -> Self {
        let total_pages = total_bytes.div_ceil(PAGE_BYTES).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { pages: Arc::new(Semaphore::new(total_pages)), total_pages }
    }

    /// Waits until `bytes` are free and takes them. A request above the whole budget takes all of it: it is let
    /// through alone, else it would wait for ever.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        let pages = bytes.div_ceil(PAGE_BYTES).min(self.total_pages);
        let count = u32::try_from(pages).unwrap_or(u32::MAX);
        Reservation { _permit: Arc::clone(&self.pages).acquire_many_owned(count).await.ok() }
    }

    /// Bytes that nobody holds.
    #[must_use]
    pub fn available_bytes(&self) -> usize {
        self.pages.available_permits() * PAGE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_reserved_comes_back() {
        let budget = MemoryBudget::new(10 * PAGE_BYTES);
        let held = budget.reserve(3 * PAGE_BYTES + 1).await;
        assert_eq!(budget.available_bytes(), 6 * PAGE_BYTES);
        drop(held);
        assert_eq!(budget.available_bytes(), 10 * PAGE_BYTES);
    }

    #[tokio::test]
    async fn a_request_larger_than_the_budget_goes_through_alone() {
        let budget = MemoryBudget::new(2 * PAGE_BYTES);
        let _held = budget.reserve(usize::MAX / 2).await;
        assert_eq!(budget.available_bytes(), 0);
    }
}
