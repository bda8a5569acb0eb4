//! Room on the disks: below a reserve a directory takes no more records from clients, so that what the broker must write itself
//! (offsets, metadata, checkpoints) and what frees space (compaction, deletion) goes on; with room again it takes them. Looks once
//! a second, more often the less room there is above the reserve, and at once when a write was refused. Frees nothing itself.

use std::sync::Arc;
use std::time::Duration;

use barnabas_log::fs::{Disk, Space};
use tokio::sync::watch;

use super::LogDirectory;
use crate::runtime::Runtime;

/// How long until somebody looks again, at most and at least.
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(20);
/// More than clients can write: the room above the reserve must not be gone before somebody looks again.
const FASTEST_BYTES_PER_SECOND: u64 = 2 << 30;
/// The largest reserve that is taken without being asked for, in bytes.
const LARGEST_DEFAULT_BYTES: u64 = 1 << 30;
/// So much more than the reserve must be free before records are taken again, at least, in bytes.
const LEAST_MARGIN_BYTES: u64 = 1 << 20;
/// How long a directory rests whose writes are refused though there seems to be room (a quota, no more inodes); doubled each time.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);
/// Refused again within so long after a rest: it was too short.
const SOON: Duration = Duration::from_secs(60);

/// `barnabas.log.dir.reserve.bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve(Option<u64>);

impl Reserve {
    /// Below 0 the broker chooses: a twentieth of the volume, and no more than 1 GiB.
    #[must_use]
    pub fn new(bytes: i64) -> Self {
        Self(u64::try_from(bytes).ok())
    }

    fn bytes(self, space: Space) -> u64 {
        self.0.unwrap_or_else(|| (space.total_bytes / 20).min(LARGEST_DEFAULT_BYTES))
    }
}

/// Decides whether a directory is full.
#[derive(Debug)]
struct Room {
    reserve: Reserve,
    full: bool,
    rest: Duration,
    rests_until: Duration,
}

impl Room {
    fn new(reserve: Reserve) -> Self {
        Self { reserve, full: false, rest: FIRST_REST, rests_until: Duration::ZERO }
    }

    /// Whether it is full at `time`, when there is `space` and a write was `refused` for want of room since the last look.
    fn looked(&mut self, space: Space, refused: bool, time: Duration) -> bool {
        let reserve = self.reserve.bytes(space);
        let enough = reserve.saturating_add((reserve / 10).max(LEAST_MARGIN_BYTES));
        if refused && space.usable_bytes >= enough {
            let again = self.rests_until > Duration::ZERO && time < self.rests_until + SOON;
            self.rest = if again { (self.rest * 2).min(LONGEST_REST) } else { FIRST_REST };
            self.rests_until = time + self.rest;
        }
        self.full = if self.full || refused {
            time < self.rests_until || space.usable_bytes < enough
        } else {
            space.usable_bytes < reserve
        };
        self.full
    }

    /// How long there is no need to look when there is `space`.
    fn interval(&self, space: Space) -> Duration {
        if self.full {
            return LONGEST_INTERVAL;
        }
        let above = space.usable_bytes.saturating_sub(self.reserve.bytes(space));
        let milliseconds = above.saturating_mul(1000) / FASTEST_BYTES_PER_SECOND;
        Duration::from_millis(milliseconds).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
    }
}

/// Looks after the room of one directory.
#[derive(Debug)]
pub struct SpaceWatch {
    runtime: Runtime,
    disk: Arc<Disk>,
    directory: Arc<LogDirectory>,
    room: Room,
    interval: Duration,
    told: bool,
}

impl SpaceWatch {
    /// Will look after `directory`, which `disk` reaches.
    #[must_use]
    pub fn new(runtime: Runtime, disk: Arc<Disk>, directory: Arc<LogDirectory>, reserve: Reserve) -> Self {
        Self { runtime, disk, directory, room: Room::new(reserve), interval: LONGEST_INTERVAL, told: false }
    }

    /// Looks now.
    pub async fn look(&mut self) {
        let (disk, path, condition) =
            (Arc::clone(&self.disk), self.directory.path.clone(), Arc::clone(&self.directory.condition));
        // A disk that hangs holds back this directory's look and nobody else.
        match self.runtime.spawn_blocking(move || disk.fs().space(&path)).await {
            Ok(Ok(space)) => {
                condition.saw_space(space);
                let full = self.room.looked(space, condition.take_out_of_space(), self.runtime.now().monotonic);
                condition.set_full(full, self.room.reserve.bytes(space));
                self.interval = self.room.interval(space);
                self.told = false;
            }
            Ok(Err(error)) => {
                condition.noticed(&error);
                if !std::mem::replace(&mut self.told, true) {
                    tracing::warn!(%error, "nobody knows how much room the log directory has; the last figure stands");
                }
            }
            Err(error) => tracing::error!(%error, "looking at the room of a log directory broke off"),
        }
    }

    /// Looks again and again until `stopping` turns true, or the directory has failed.
    pub async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        let condition = Arc::clone(&self.directory.condition);
        loop {
            tokio::select! {
                biased;
                _ = stopping.wait_for(|stop| *stop) => return,
                () = condition.failed() => return,
                () = condition.asked_to_look() => {}
                () = tokio::time::sleep(self.interval) => {}
            }
            self.look().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const SECOND: Duration = Duration::from_secs(1);

    fn space(usable_bytes: u64) -> Space {
        Space { total_bytes: 1000 * MIB, usable_bytes }
    }

    #[test]
    fn a_disk_is_full_below_its_reserve_until_there_is_a_little_more_than_that() {
        let mut room = Room::new(Reserve::new(100 * (1 << 20)));
        assert!(!room.looked(space(100 * MIB), false, SECOND));
        assert!(room.looked(space(100 * MIB - 1), false, 2 * SECOND));
        assert!(room.looked(space(109 * MIB), false, 3 * SECOND));
        assert!(!room.looked(space(110 * MIB), false, 4 * SECOND));
        assert!(!room.looked(space(101 * MIB), false, 5 * SECOND));
    }

    #[test]
    fn the_less_room_there_is_above_the_reserve_the_sooner_somebody_looks_again() {
        let mut room = Room::new(Reserve::new(100 * (1 << 20)));
        let large = Space { total_bytes: 1 << 50, usable_bytes: 1 << 49 };
        assert_eq!(room.interval(large), LONGEST_INTERVAL);
        assert_eq!(room.interval(space((100 + 512) * MIB)), Duration::from_millis(250));
        assert_eq!(room.interval(space(101 * MIB)), SHORTEST_INTERVAL);
        assert!(room.looked(space(0), false, SECOND));
        assert_eq!(room.interval(space(0)), LONGEST_INTERVAL, "there is nothing left to overstep");
    }

    #[test]
    fn the_default_reserve_is_a_part_of_the_volume_and_bounded() {
        assert_eq!(Reserve::new(-1).bytes(space(0)), 50 * MIB);
        let large = Space { total_bytes: 1 << 50, usable_bytes: 0 };
        assert_eq!(Reserve::new(-1).bytes(large), 1 << 30);
        assert_eq!(Reserve::new(7).bytes(large), 7);
    }

    #[test]
    fn a_disk_that_refuses_though_there_is_room_is_tried_again_less_and_less_often() {
        let mut room = Room::new(Reserve::new(0));
        let mut time = SECOND;
        let mut rests = Vec::new();
        for _ in 0..8 {
            assert!(room.looked(space(500 * MIB), true, time));
            let refused = time;
            while room.looked(space(500 * MIB), false, time) {
                time += SECOND;
            }
            rests.push((time - refused).as_secs());
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert!(room.looked(space(500 * MIB), true, time + 300 * SECOND));
        assert!(!room.looked(space(500 * MIB), false, time + 301 * SECOND));
    }

    #[test]
    fn without_a_reserve_a_refused_write_makes_it_full_until_there_is_room() {
        let mut room = Room::new(Reserve::new(0));
        assert!(!room.looked(space(1), false, SECOND));
        assert!(room.looked(space(0), true, SECOND));
        assert!(room.looked(space(MIB - 1), false, 100 * SECOND));
        assert!(room.looked(space(0), true, 100 * SECOND));
        assert!(!room.looked(space(MIB), false, 101 * SECOND), "no rest where it was plain why");
    }
}
