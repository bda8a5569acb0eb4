//! One life of a simulated machine: from its start to its kill. Its disk and its place on the network outlive it. Stands still when
//! told to; what it runs ends with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use barnabas_log::fs::Fs;
use barnabas_server::Seeded;
use barnabas_server::runtime::simulated::{self, Turns};
use barnabas_types::Timestamp;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::network::Interface;
use crate::disk::VirtualDisk;
use crate::random::Random;

/// The calendar when a history begins.
const WALL_AT_FIRST_MS: i64 = 1_750_000_000_000;

/// How late a thread may go on that syncs, where the disk is not slow.
const LAGS: Duration = Duration::from_millis(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Runs,
    StandsStill,
    Ended,
}

#[derive(Debug)]
struct State {
    life: Life,
    /// Tasks that were not polled, because the machine stands still.
    held: Vec<Waker>,
    tasks: Vec<AbortHandle>,
    random: Random,
    sync_takes: Duration,
}

/// Its calendar: how it differs from the history's clock.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    /// When the history began.
    pub began: Instant,
    /// By how much it is ahead, in milliseconds.
    pub ahead_ms: i64,
    /// How much faster it goes, in millionths.
    pub drift: i64,
}

/// What outlives it.
#[derive(Debug)]
pub struct Hardware {
    /// Its disk.
    pub disk: VirtualDisk,
    /// Its place on the network.
    pub interface: Arc<Interface>,
    /// The order of its history.
    pub turns: Arc<Turns>,
}

/// See the module.
#[derive(Debug)]
pub struct Machine {
    disk: VirtualDisk,
    interface: Arc<Interface>,
    calendar: Calendar,
    bug: Option<Seeded>,
    turns: Arc<Turns>,
    state: Mutex<State>,
}

impl Machine {
    /// One that runs.
    #[must_use]
    pub fn new(of: Hardware, calendar: Calendar, bug: Option<Seeded>, random: Random) -> Arc<Self> {
        let state = State { life: Life::Runs, held: Vec::new(), tasks: Vec::new(), random, sync_takes: Duration::ZERO };
        let Hardware { disk, interface, turns } = of;
        Arc::new(Self { disk, interface, calendar, bug, turns, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing of it runs until it goes on.
    pub fn stand_still(&self) {
        let mut state = self.lock();
        if state.life == Life::Runs {
            state.life = Life::StandsStill;
        }
    }

    /// Everything of it runs again.
    pub fn go_on(&self) {
        let mut state = self.lock();
        if state.life == Life::StandsStill {
            state.life = Life::Runs;
        }
        let held = std::mem::take(&mut state.held);
        drop(state);
        held.into_iter().for_each(Waker::wake);
    }

    /// Nothing of it ever runs again. Its tasks are gone when they had their turn.
    pub fn kill(&self) {
        let mut state = self.lock();
        state.life = Life::Ended;
        let (tasks, held) = (std::mem::take(&mut state.tasks), std::mem::take(&mut state.held));
        drop(state);
        tasks.iter().for_each(AbortHandle::abort);
        drop(held);
    }

    /// What a sync takes from now on.
    pub fn set_sync_takes(&self, takes: Duration) {
        self.lock().sync_takes = takes;
    }
}

impl simulated::Machine for Machine {
    fn wall(&self) -> Timestamp {
        let passed_ms = i64::try_from(self.calendar.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let drifted_ms = passed_ms * self.calendar.drift / 1_000_000;
        Timestamp(WALL_AT_FIRST_MS + self.calendar.ahead_ms + passed_ms + drifted_ms)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        let mut state = self.lock();
        for chunk in bytes.chunks_mut(8) {
            let bits = state.random.bits().to_be_bytes();
            chunk.iter_mut().zip(bits).for_each(|(byte, random)| *byte = random);
        }
    }

    fn fs(&self) -> Arc<dyn Fs> {
        Arc::new(self.disk.clone())
    }

    fn sync_takes(&self) -> Duration {
        self.lock().sync_takes
    }

    fn sync_lags(&self) -> Duration {
        let mut state = self.lock();
        let longest = LAGS.max(state.sync_takes / 2);
        let lags = state.random.below(u64::try_from(longest.as_millis()).unwrap_or(u64::MAX).saturating_add(1));
        if state.random.chance(500) { Duration::ZERO } else { Duration::from_millis(lags) }
    }

    fn network(&self) -> Arc<dyn barnabas_net::simulated::Network> {
        Arc::clone(&self.interface) as Arc<dyn barnabas_net::simulated::Network>
    }

    fn turns(&self) -> &Arc<Turns> {
        &self.turns
    }

    fn bug(&self) -> Option<Seeded> {
        self.bug
    }

    fn runs(&self, context: &mut Context<'_>) -> bool {
        let mut state = self.lock();
        if state.life == Life::StandsStill {
            state.held.push(context.waker().clone());
        }
        state.life == Life::Runs
    }

    fn spawned(&self, task: AbortHandle) {
        let mut state = self.lock();
        if state.life == Life::Ended {
            drop(state);
            task.abort();
            return;
        }
        // Those that have ended need no abort; looked for when there are many.
        if state.tasks.len().is_power_of_two() {
            state.tasks.retain(|task| !task.is_finished());
        }
        state.tasks.push(task);
    }
}
