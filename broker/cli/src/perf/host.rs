//! What a run needs of the system: a clock, its own CPU time, a CPU to stay on, and file descriptors. Measures nobody else.

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use super::error::PerfError;

/// Nanoseconds since the run began, and the wall clock for timestamps of records.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
    wall_at_start_ms: i64,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began: Instant::now(), wall_at_start_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX) }
    }

    /// Nanoseconds since the start.
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The wall clock at `now_ns`, in milliseconds since 1970, as producers stamp records.
    pub fn wall_ms(&self, now_ns: u64) -> i64 {
        self.wall_at_start_ms.saturating_add((now_ns / 1_000_000) as i64)
    }
}

/// CPU time that this process has used.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuTime {
    /// In its own code and libraries.
    pub user: Duration,
    /// In the kernel on its behalf.
    pub system: Duration,
}

impl CpuTime {
    /// What was used so far. The sum is exact; how it divides is known to 10 ms, as the kernel tells it.
    pub fn used() -> Self {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let total = Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0));
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let (user, system) = ticks(&stat).unwrap_or((1, 0));
        let share = user as f64 / (user + system).max(1) as f64;
        let user = total.mul_f64(share.clamp(0.0, 1.0)).min(total);
        Self { user, system: total - user }
    }

    /// What was used since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        let total = (self.user + self.system).saturating_sub(earlier.user + earlier.system);
        let user = self.user.saturating_sub(earlier.user).min(total);
        Self { user, system: total - user }
    }
}

/// User and system ticks out of `/proc/self/stat`, whose second field may hold spaces and parentheses.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Keeps this process on one CPU.
///
/// # Errors
/// [`PerfError::Argument`] when there is no such CPU or it may not be used.
pub fn pin(cpu: usize) -> Result<(), PerfError> {
    let mut set = CpuSet::new();
    if cpu < CpuSet::MAX_CPU {
        set.set(cpu);
    }
    sched_setaffinity(None, &set)
        .map_err(|error| PerfError::argument("--cpu", cpu, format!("{error}; CPUs are numbered from 0")))
}

/// Makes sure that `connections` sockets can be open at once.
///
/// # Errors
/// [`PerfError::Argument`] when the limit of open files cannot be raised that far.
pub fn allow_connections(connections: usize) -> Result<(), PerfError> {
    let needed = connections as u64 + 64;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        let reason = format!("the limit of open files is {}; raise it (ulimit -Hn)", limit.maximum.unwrap_or(0));
        return Err(PerfError::argument("the number of connections", connections, reason));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })
        .map_err(|error| PerfError::Host { doing: "raise the limit of open files", source: io::Error::from(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_a_name_with_parentheses() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 42 17 0 0";
        assert_eq!(ticks(stat), Some((42, 17)));
        assert_eq!(ticks("nothing"), None);
    }

    #[test]
    fn cpu_time_grows_with_work() {
        let (before, began) = (CpuTime::used(), Instant::now());
        while CpuTime::used().since(before).user + CpuTime::used().since(before).system == Duration::ZERO {
            assert!(began.elapsed() < Duration::from_secs(60), "a minute of work took no CPU time");
        }
    }

    #[test]
    fn what_was_used_since_is_exact_though_its_division_is_told_anew() {
        let ms = Duration::from_millis;
        let earlier = CpuTime { user: ms(5), system: ms(0) };
        for (user, system) in [(0, 6), (6, 0), (2, 4)] {
            let since = CpuTime { user: ms(user), system: ms(system) }.since(earlier);
            assert_eq!(since.user + since.system, ms(1), "{since:?}");
        }
    }
}
