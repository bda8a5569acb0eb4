//! The seam to a simulated machine: whole nodes as tasks of one thread, on a clock, a disk and a network of the simulation's. Its tasks run
//! only while it does, and end together when it is killed. In nothing that is released; chooses nothing that a seed should choose.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use barnabas_log::fs::Fs;
use barnabas_net::simulated::Network;
use barnabas_types::Timestamp;
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle};

use super::Runtime;
use crate::bug::Seeded;

/// What a node runs on.
pub trait Machine: fmt::Debug + Send + Sync {
    /// Its calendar.
    fn wall(&self) -> Timestamp;
    /// Its chance.
    fn fill_random(&self, bytes: &mut [u8]);
    /// Its disks.
    fn fs(&self) -> Arc<dyn Fs>;
    /// What a sync takes.
    fn sync_takes(&self) -> Duration;
    /// How late a thread goes on that syncs, before it does or afterwards: drawn anew each time.
    fn sync_lags(&self) -> Duration;
    /// Its network.
    fn network(&self) -> Arc<dyn Network>;
    /// A bug that was put into its node on purpose.
    fn bug(&self) -> Option<Seeded>;
    /// Whose turn it is in this history.
    fn turns(&self) -> &Arc<Turns>;
    /// False while it stands still, or is no more: the task of `context` is not to be polled, and is woken when it may be.
    fn runs(&self, context: &mut Context<'_>) -> bool;
    /// It has one task more, to be aborted when it is killed.
    fn spawned(&self, task: AbortHandle);
}

impl Runtime {
    /// A runtime whose tasks are those of `machine`, on the current tokio runtime, which has one thread.
    #[must_use]
    pub fn simulated(machine: Arc<dyn Machine>) -> Self {
        Self { machine: Some(machine), ..Self::current() }
    }

    /// A bug that was put into this node on purpose.
    #[must_use]
    pub fn bug(&self) -> Option<Seeded> {
        self.machine.as_ref().and_then(|machine| machine.bug())
    }
}

/// The order in which tasks of one history are polled that were woken together. Who is woken first of those that wait for one thing is a
/// matter of chance in tokio's channels, and of threads in a process; here it is the history's own, another one each time.
#[derive(Debug)]
pub struct Turns {
    seed: u64,
    state: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    spawned: u64,
    /// How often turns were given.
    round: u64,
    woken: BTreeMap<Place, Waker>,
    giver: Option<Waker>,
}

/// A task's place in one round: what decides, and the number of the task, so that no two have the same.
type Place = (u64, u64);

/// Spreads what is mixed over all bits (the last steps of splitmix64).
const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl Waiting {
    const fn place(&self, seed: u64, number: u64) -> Place {
        (mix(mix(seed ^ self.round) ^ number), number)
    }
}

impl Turns {
    /// Those of the history that `seed` determines.
    #[must_use]
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { seed, state: Mutex::default() })
    }

    /// Gives turns for ever. A task of the simulation, which has to run beside those that it gives turns.
    pub async fn give(self: Arc<Self>) {
        std::future::poll_fn(|context| {
            let mut state = self.lock();
            state.giver = Some(context.waker().clone());
            let woken = std::mem::take(&mut state.woken);
            state.round += u64::from(!woken.is_empty());
            drop(state);
            woken.into_values().for_each(Waker::wake);
            Poll::Pending
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> u64 {
        let mut state = self.lock();
        state.spawned += 1;
        state.spawned
    }
}

/// A task's place among those that are woken.
struct Turn {
    number: u64,
    turns: Arc<Turns>,
    task: Mutex<Option<Waker>>,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut state = self.turns.lock();
        let place = state.place(self.turns.seed, self.number);
        state.woken.extend(task.map(|task| (place, task)));
        let giver = state.giver.clone();
        drop(state);
        giver.into_iter().for_each(Waker::wake);
    }
}

/// Runs `task` on `machine`.
pub(super) fn spawn<F>(machine: &Arc<dyn Machine>, handle: &Handle, task: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let turns = Arc::clone(machine.turns());
    let turn = Arc::new(Turn { number: turns.next(), turns, task: Mutex::default() });
    let spawned = handle.spawn(OnMachine { machine: Arc::clone(machine), turn, task: Box::pin(task) });
    machine.spawned(spawned.abort_handle());
    spawned
}

/// A task of a machine.
struct OnMachine<F> {
    machine: Arc<dyn Machine>,
    turn: Arc<Turn>,
    task: Pin<Box<F>>,
}

impl<F: Future> Future for OnMachine<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if !self.machine.runs(context) {
            return Poll::Pending;
        }
        let _on_its_network = barnabas_net::simulated::enter(self.machine.network());
        *self.turn.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        let waker = Waker::from(Arc::clone(&self.turn));
        self.task.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_that_are_woken_together_come_in_every_order_and_in_the_same_each_time() {
        let orders = |seed| {
            let in_round = |round| {
                let waiting = Waiting { round, ..Waiting::default() };
                let mut places = [1, 2, 3].map(|number| waiting.place(seed, number));
                places.sort_unstable();
                places.map(|(_, number)| number)
            };
            (0..100).map(in_round).collect::<Vec<_>>()
        };
        let distinct: std::collections::BTreeSet<_> = orders(7).into_iter().collect();
        assert_eq!(distinct.len(), 6);
        assert_eq!(orders(7), orders(7));
        assert_ne!(orders(7), orders(8));
    }
}
