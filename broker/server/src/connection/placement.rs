//! Which data thread serves which connection. Connections share one thread as long as it can do the work of all: it then finds
//! several of them ready at each look, and nobody wakes another processor for a request. When it is busy, some move to another
//! thread; when there is little to do, they come back. Decides only; connections move themselves, between two requests.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;

use crate::runtime::Runtime;

/// How often the threads are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// A thread that is busy for a larger part of the time has more than it should.
const CROWDED: f64 = 0.7;
/// A thread takes work from another only if it is busy for so much less of the time.
const DIFFERENCE: f64 = 0.3;
/// Two threads that are busy for less than this together can do with one.
const GATHERED: f64 = 0.4;
/// What a request costs beside its bytes, in bytes that cost as much.
const REQUEST_BYTES: u64 = 16 * 1024;

/// A connection's place on a thread.
#[derive(Debug)]
pub struct Seat {
    thread: AtomicUsize,
    work: AtomicU64,
}

impl Seat {
    /// The thread that is to serve the connection.
    pub fn thread(&self) -> usize {
        self.thread.load(Ordering::Relaxed)
    }

    /// A request of `bytes` was served.
    pub fn worked(&self, bytes: usize) {
        // One thread writes at a time; what is lost in a race with `take_work` is one request's share.
        let work = self.work.load(Ordering::Relaxed).wrapping_add(REQUEST_BYTES + bytes as u64);
        self.work.store(work, Ordering::Relaxed);
    }

    fn take_work(&self) -> u64 {
        self.work.swap(0, Ordering::Relaxed)
    }
}

/// All connections and their places.
#[derive(Debug, Default)]
pub struct Placement {
    seats: Mutex<Vec<Weak<Seat>>>,
    /// Where new connections go.
    first: AtomicUsize,
}

impl Placement {
    /// A place for a new connection.
    pub fn seat(&self) -> Arc<Seat> {
        let thread = AtomicUsize::new(self.first.load(Ordering::Relaxed));
        let seat = Arc::new(Seat { thread, work: AtomicU64::new(0) });
        self.seats.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&seat));
        seat
    }

    /// A place that nobody changes, for a connection that no data thread serves.
    pub fn fixed_seat() -> Arc<Seat> {
        Arc::new(Seat { thread: AtomicUsize::new(0), work: AtomicU64::new(0) })
    }

    /// Looks at the threads again and again, until `stopping` turns true.
    pub async fn keep(self: Arc<Self>, runtime: Runtime, mut stopping: watch::Receiver<bool>) {
        let mut before = runtime.data_busy();
        let mut looked = runtime.now().monotonic;
        loop {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => return,
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
            let (after, now) = (runtime.data_busy(), runtime.now().monotonic);
            let time = now.saturating_sub(looked).as_secs_f64().max(f64::EPSILON);
            let busy: Vec<f64> = before
                .iter()
                .zip(&after)
                // More threads than processors would only take them from each other.
                .take(runtime.processors())
                .map(|(before, after)| after.saturating_sub(*before).as_secs_f64() / time)
                .collect();
            self.rearrange(&busy);
            (before, looked) = (after, now);
        }
    }

    fn rearrange(&self, busy: &[f64]) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.retain(|seat| seat.strong_count() > 0);
        let present: Vec<Arc<Seat>> = seats.iter().filter_map(Weak::upgrade).collect();
        drop(seats);
        let places: Vec<(usize, u64)> = present.iter().map(|seat| (seat.thread(), seat.take_work())).collect();
        for (index, thread) in moves(busy, &places) {
            if let Some(seat) = present.get(index) {
                seat.thread.store(thread, Ordering::Relaxed);
            }
        }
        self.first.store(place_of_next(busy), Ordering::Relaxed);
    }
}

/// The first thread that is not crowded, or else the least busy one.
fn place_of_next(busy: &[f64]) -> usize {
    let free = busy.iter().position(|busy| *busy <= CROWDED);
    free.or_else(|| extreme(busy.iter().map(|busy| -busy))).unwrap_or(0)
}

/// Who moves where: connections by their places in `seats` (thread and work since the last look), threads by theirs in `busy`,
/// each a part of the time. A thread that is not in `busy` has no processor any more.
fn moves(busy: &[f64], seats: &[(usize, u64)]) -> Vec<(usize, usize)> {
    let (Some(most), Some(least)) = (extreme(busy.iter().copied()), extreme(busy.iter().map(|busy| -busy))) else {
        return Vec::new();
    };
    let homeless = seats.iter().enumerate().filter(|(_, (thread, _))| *thread >= busy.len());
    let homeless: Vec<(usize, usize)> = homeless.map(|(index, _)| (index, least)).collect();
    if !homeless.is_empty() {
        return homeless;
    }
    let share = |thread: usize| busy.get(thread).copied().unwrap_or(0.0);
    if share(most) > CROWDED && share(most) - share(least) > DIFFERENCE {
        return spread(most, least, (share(most) - share(least)) / 2.0 / share(most), seats);
    }
    // The last thread that has anything gives it to the first.
    match seats.iter().map(|(thread, _)| *thread).max() {
        Some(last) if last > 0 && share(0) + share(last) < GATHERED => {
            let there = seats.iter().enumerate().filter(|(_, (thread, _))| *thread == last);
            there.map(|(index, _)| (index, 0)).collect()
        }
        _ => Vec::new(),
    }
}

/// Moves the part `share` of the work on thread `from` to thread `to`, the largest pieces that fit first.
fn spread(from: usize, to: usize, share: f64, seats: &[(usize, u64)]) -> Vec<(usize, usize)> {
    let mut there: Vec<(usize, u64)> = (seats.iter().enumerate())
        .filter(|(_, (thread, work))| *thread == from && *work > 0)
        .map(|(index, (_, work))| (index, *work))
        .collect();
    there.sort_by_key(|(_, work)| std::cmp::Reverse(*work));
    let all: u64 = there.iter().map(|(_, work)| *work).sum();
    let mut left = all as f64 * share;
    let mut moved = Vec::new();
    for (index, work) in there {
        let work = work as f64;
        if work <= left {
            left -= work;
            moved.push((index, to));
        }
    }
    moved
}

/// Where the largest number is, the first of several.
fn extreme(numbers: impl Iterator<Item = f64>) -> Option<usize> {
    let largest = numbers.enumerate().reduce(|best, one| if one.1 > best.1 { one } else { best });
    largest.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use barnabas_protocol::messages::ApiVersionsRequest;

    use super::*;
    use crate::testing::Broker;

    #[test]
    fn a_thread_that_is_not_crowded_keeps_its_connections() {
        assert_eq!(moves(&[0.69, 0.0], &[(0, 10), (0, 10)]), []);
        assert_eq!(moves(&[0.8, 0.6], &[(0, 10), (1, 10)]), []);
        assert_eq!(moves(&[0.9], &[(0, 10), (0, 10)]), []);
        assert_eq!(moves(&[], &[]), []);
    }

    #[test]
    fn a_crowded_thread_gives_half_of_the_difference() {
        let seats = [(0, 10), (0, 10), (0, 0), (0, 10), (0, 10)];
        assert_eq!(moves(&[1.0, 0.0], &seats), [(0, 1), (1, 1)]);
        let seats = [(0, 10), (0, 10), (0, 10), (0, 10), (1, 20)];
        assert_eq!(moves(&[1.0, 0.5], &seats), [(0, 1)]);
    }

    #[test]
    fn one_connection_that_fills_a_thread_stays_and_the_others_leave() {
        assert_eq!(moves(&[1.0, 0.1], &[(0, 5), (0, 100), (0, 5)]), [(0, 1), (2, 1)]);
        assert_eq!(moves(&[1.0, 0.1], &[(0, 100)]), []);
    }

    #[test]
    fn when_there_is_little_to_do_all_come_back_to_the_first_thread() {
        let seats = [(0, 10), (1, 10), (1, 0)];
        assert_eq!(moves(&[0.3, 0.05], &seats), [(1, 0), (2, 0)]);
        assert_eq!(moves(&[0.3, 0.2], &seats), []);
        assert_eq!(moves(&[0.0, 0.0, 0.1], &[(1, 3), (2, 3)]), [(1, 0)]);
    }

    #[test]
    fn connections_leave_threads_that_have_no_processor_any_more() {
        assert_eq!(moves(&[1.0], &[(0, 10), (1, 10), (3, 0)]), [(1, 0), (2, 0)]);
        assert_eq!(moves(&[1.0, 0.2], &[(0, 10), (1, 10), (2, 5)]), [(2, 1)]);
    }

    #[test]
    fn a_new_connection_goes_to_the_first_thread_that_has_time() {
        assert_eq!(place_of_next(&[0.2, 0.0]), 0);
        assert_eq!(place_of_next(&[0.9, 0.0]), 1);
        assert_eq!(place_of_next(&[0.9, 0.8, 0.95]), 1);
        assert_eq!(place_of_next(&[]), 0);
    }

    #[tokio::test]
    async fn a_connection_moves_between_two_requests_and_loses_none() {
        let other = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let current = tokio::runtime::Handle::current();
        let runtime = Runtime::new(current.clone(), current, [other.handle().clone()]);
        let broker = Broker::start_on(runtime, "").await;
        let (mut client, mut neighbour) = (broker.connect().await, broker.connect().await);
        let placement = Arc::clone(&broker.running.node.placement);
        let request = ApiVersionsRequest {
            client_software_name: "tester".into(),
            client_software_version: "1".into(),
            ..Default::default()
        };
        assert!(!client.call(3, &request).await.api_keys.is_empty());
        assert!(!neighbour.call(3, &request).await.api_keys.is_empty());
        assert_eq!(other.metrics().num_alive_tasks(), 0);

        // Two more come at once: the first is answered here, the second is in the buffer that moves.
        placement.rearrange(&[1.0, 0.0]);
        client.send(3, &request).await.unwrap();
        client.send(3, &request).await.unwrap();
        for correlation_id in [2_i32, 3] {
            assert_eq!(client.receive().await.unwrap()[..4], correlation_id.to_be_bytes());
        }
        assert_eq!(other.metrics().num_alive_tasks(), 1);

        placement.rearrange(&[0.0, 0.0]);
        assert!(!client.call(3, &request).await.api_keys.is_empty());
        assert!(!client.call(3, &request).await.api_keys.is_empty());
        let seats = placement.seats.lock().unwrap().clone();
        assert!(seats.iter().filter_map(Weak::upgrade).all(|seat| seat.thread() == 0));
        other.shutdown_background();
    }
}
