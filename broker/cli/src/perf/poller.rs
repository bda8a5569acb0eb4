//! Waits until a socket can go on or a moment has come, whichever is first. Moments are kept by a timer of the kernel, because epoll's own
//! timeout counts milliseconds and would add up to one to every latency.

use std::io;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use rustix::time::{timerfd_create, timerfd_settime};

use super::error::PerfError;

/// Events that one wait returns at most.
const EVENTS: usize = 256;
/// The timer's place among the sockets.
const TIMER: u64 = u64::MAX;

/// A socket that can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The number under which it was added.
    pub key: u64,
    /// There is something to read, or it failed.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
}

/// What is waited for.
pub struct Poller {
    epoll: OwnedFd,
    timer: OwnedFd,
    /// When the timer rings, in nanoseconds of the caller's clock; 0 before it was ever set.
    rings_at_ns: u64,
    events: Vec<epoll::Event>,
}

fn failed(doing: &'static str) -> impl Fn(rustix::io::Errno) -> PerfError {
    move |error| PerfError::Host { doing, source: io::Error::from(error) }
}

impl Poller {
    /// One that waits for nothing yet.
    ///
    /// # Errors
    /// [`PerfError::Host`].
    pub fn new() -> Result<Self, PerfError> {
        let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(failed("create an epoll instance"))?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags).map_err(failed("create a timer"))?;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN).map_err(failed("watch the timer"))?;
        Ok(Self { epoll, timer, rings_at_ns: 0, events: Vec::with_capacity(EVENTS) })
    }

    /// Watches `socket` for something to read, under the number `key`.
    ///
    /// # Errors
    /// [`PerfError::Host`].
    pub fn add(&self, socket: impl AsFd, key: u64) -> Result<(), PerfError> {
        epoll::add(&self.epoll, socket, EventData::new_u64(key), EventFlags::IN).map_err(failed("watch a socket"))
    }

    /// Watches `socket` for room to write too, or no more.
    ///
    /// # Errors
    /// [`PerfError::Host`].
    pub fn want_writable(&self, socket: impl AsFd, key: u64, wanted: bool) -> Result<(), PerfError> {
        let flags = if wanted { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        epoll::modify(&self.epoll, socket, EventData::new_u64(key), flags).map_err(failed("watch a socket"))
    }

    /// Waits until `until_ns` and puts what can go on into `ready`; both times are nanoseconds of one clock, whatever its start. A closed
    /// socket leaves by itself.
    ///
    /// # Errors
    /// [`PerfError::Host`].
    pub fn wait(&mut self, now_ns: u64, until_ns: u64, ready: &mut Vec<Ready>) -> Result<(), PerfError> {
        ready.clear();
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let timeout_ns = until_ns.saturating_sub(now_ns);
        // A timer that rings at the right time already needs no further call.
        if timeout_ns > 0 && self.rings_at_ns != until_ns {
            let value = Timespec {
                tv_sec: (timeout_ns / 1_000_000_000).cast_signed(),
                tv_nsec: (timeout_ns % 1_000_000_000).cast_signed(),
            };
            let once = Itimerspec { it_interval: at_once, it_value: value };
            // Setting the timer also clears what it has counted, so that it needs no read.
            timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).map_err(failed("set the timer"))?;
            self.rings_at_ns = until_ns;
        }
        let timeout = (timeout_ns == 0).then_some(&at_once);
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed("wait for sockets")(error)),
        }
        for event in self.events.drain(..) {
            let (key, flags) = (event.data.u64(), event.flags);
            if key != TIMER {
                let readable = flags.intersects(EventFlags::IN | EventFlags::ERR | EventFlags::HUP);
                ready.push(Ready { key, readable, writable: flags.contains(EventFlags::OUT) });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_wait_ends_when_its_time_is_up_and_not_before() {
        let mut poller = Poller::new().unwrap();
        let mut ready = vec![Ready { key: 1, readable: true, writable: true }];
        let began = Instant::now();
        poller.wait(5_000, 305_000, &mut ready).unwrap();
        assert!(began.elapsed().as_nanos() >= 300_000);
        assert!(ready.is_empty());
    }

    #[test]
    fn a_socket_that_can_go_on_is_told_at_once() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let mut poller = Poller::new().unwrap();
        poller.add(&far, 7).unwrap();
        near.write_all(b"x").unwrap();
        let mut ready = Vec::new();
        poller.wait(0, 60_000_000_000, &mut ready).unwrap();
        assert_eq!(ready, [Ready { key: 7, readable: true, writable: false }]);
        poller.want_writable(&far, 7, true).unwrap();
        poller.wait(0, 60_000_000_000, &mut ready).unwrap();
        assert_eq!(ready, [Ready { key: 7, readable: true, writable: true }]);
    }
}
