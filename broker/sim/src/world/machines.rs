//! Machines: their clocks, disks and processes, and how processes begin and end.

use std::path::Path;
use std::time::Duration;

use barnabas_log::fs::Fs;
use barnabas_raft::{Config, HaltReason, KRaftVersionRange, ReplicaKey, Voter, VoterSet};
use barnabas_server::raft::format_voters;
use barnabas_types::{BrokerId, Now, Timestamp, Uuid};

use super::{CLUSTER, Event, World, endpoint};
use crate::disk::VirtualDisk;
use crate::disk_log::{Cursor, METADATA_LOG_DIR};
use crate::network::Place;
use crate::observed::RoleName;
use crate::process::{Failed, HOST, Process, Setup};
use crate::random::{Concern, Random, Salt};
use crate::schedule::{DriftingClock, Instant};

/// When virtual time begins, in calendar time.
const BEGINNING_MS: u64 = 1_750_000_000_000;
/// After how long it is tried again whether a machine with a disk formatted as the first one may start.
const FORMATTING_MICROS: u64 = 20_000;
const KRAFT_VERSIONS: KRaftVersionRange = KRaftVersionRange { min: 0, max: 1 };

/// A machine.
pub(crate) struct Machine {
    pub(crate) key: ReplicaKey,
    pub(crate) disk: VirtualDisk,
    /// How many disks it has had.
    disks: u64,
    clock: DriftingClock,
    /// How far its calendar is off.
    wall_millis: i64,
    /// Chance for its syncs.
    pub(super) syncs: Random,
    pub(crate) process: Option<Process>,
    /// How many processes it has had.
    pub(crate) life: u32,
    /// Until then the process does nothing.
    idle_until: Instant,
    /// Messages that its processes sent and that have not arrived.
    pub(super) on_their_way: i64,
    /// Its disk was formatted as the first one was, and no process has run on it.
    has_forgotten: bool,
    /// Where the next batch will be in its files.
    pub(super) cursor: Cursor,
    /// A sync is planned.
    pub(super) sync_planned: bool,
    /// The earliest planned look at the deadline.
    pub(super) tick_planned: Option<Instant>,
}

impl Machine {
    pub(super) fn new(place: Place, salt: Salt) -> Self {
        let mut random = salt.stream(Concern::Clock, place as u64, 0);
        Self {
            key: new_key(place, 0, salt),
            disk: VirtualDisk::default(),
            disks: 1,
            wall_millis: 0,
            syncs: salt.stream(Concern::Sync, place as u64, 0),
            // A twentieth too fast or slow, which is more than any machine that works.
            clock: DriftingClock { offset: random.below(1 << 32), rate: random.between(950_000, 1_050_000) },
            process: None,
            life: 0,
            idle_until: Instant(0),
            on_their_way: 0,
            has_forgotten: false,
            cursor: Cursor::default(),
            sync_planned: false,
            tick_planned: None,
        }
    }

    /// What its clocks show.
    pub(super) fn now(&self, instant: Instant) -> Now {
        let millis = self.clock.millis(instant);
        let wall = i64::try_from(BEGINNING_MS + instant.0 / 1000).unwrap_or(i64::MAX);
        Now { monotonic: Duration::from_millis(millis), wall: Timestamp(wall.saturating_add(self.wall_millis)) }
    }

    /// Lets its calendar jump.
    pub(super) const fn move_wall_clock(&mut self, millis: i64) {
        self.wall_millis = self.wall_millis.saturating_add(millis);
    }

    /// When its process can act, if not at once.
    pub(super) fn idle_until(&self, now: Instant) -> Option<Instant> {
        (self.idle_until > now).then_some(self.idle_until)
    }

    /// Lets the process do nothing until then.
    pub(crate) fn pause(&mut self, until: Instant) {
        self.idle_until = self.idle_until.max(until);
    }

    /// Ends a pause.
    pub(super) fn wake(&mut self, now: Instant) {
        self.idle_until = self.idle_until.min(now);
    }

    /// The instant of the engine's deadline.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadline = self.process.as_ref()?.deadline()?;
        Some(self.clock.instant_of(u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl World {
    /// Formats a machine for a quorum whose first voters are `voters`; without any, for one that there is.
    pub(super) fn format(&mut self, place: Place, voters: &[ReplicaKey]) {
        if self.plan.kraft_version == 0 {
            return;
        }
        let Some(machine) = self.machines.get(place) else { return };
        let voter = |key: &ReplicaKey| Voter {
            key: *key,
            endpoints: vec![endpoint(place_of(*key))],
            kraft_version: KRAFT_VERSIONS,
        };
        let set = VoterSet(voters.iter().map(voter).collect());
        let directory = Path::new(METADATA_LOG_DIR);
        let made = machine.disk.create_directory(directory).map_err(|error| error.to_string());
        let formatted = made.and_then(|()| {
            format_voters(&machine.disk, directory, &set, Timestamp(0)).map_err(|error| error.to_string())
        });
        if let Err(error) = formatted {
            self.violate("format", error);
        }
    }

    fn config(&self, place: Place, key: ReplicaKey, life: u32) -> Config {
        let is_controller = place < self.plan.controllers();
        let endpoints = if is_controller { vec![endpoint(place)] } else { Vec::new() };
        let mut config = Config::new(key, CLUSTER, endpoints, self.chance(Concern::Engine, place, life).bits());
        config.is_controller = is_controller;
        config.kraft_versions = KRAFT_VERSIONS;
        config.auto_join = self.plan.auto_join && is_controller;
        config.election_timeout_ms = self.plan.election_timeout_ms;
        config.election_backoff_max_ms = self.plan.election_timeout_ms;
        config.fetch_timeout_ms = self.plan.fetch_timeout_ms;
        config.fetch_timeout_spread_ms = self.plan.fetch_timeout_ms / 10;
        config.fetch_max_bytes = self.plan.fetch_max_bytes;
        config.fetch_snapshot_max_bytes = self.plan.fetch_snapshot_max_bytes;
        if self.plan.kraft_version == 0 {
            let voter = |place| Voter {
                key: ReplicaKey {
                    id: self.machines.get(place).map_or(key.id, |machine: &Machine| machine.key.id),
                    directory_id: Uuid::ZERO,
                },
                endpoints: vec![endpoint(place)],
                kraft_version: KRaftVersionRange::default(),
            };
            config.configured_voters = VoterSet((0..self.plan.voters).map(voter).collect());
        } else {
            config.bootstrap_servers =
                (0..self.plan.controllers()).map(|place| (format!("{HOST}{place}").into(), 9093)).collect();
        }
        config.bug = self.bug;
        config
    }

    /// Starts the process of a machine that has none.
    pub(super) fn restart(&mut self, place: Place, life: u32) {
        let now = self.schedule.now();
        let Some(machine) =
            self.machines.get(place).filter(|machine| machine.process.is_none() && machine.life == life)
        else {
            return;
        };
        if machine.has_forgotten && (machine.on_their_way > 0 || self.is_election_open()) {
            return self.schedule.plan(now.after(FORMATTING_MICROS), Event::Restart { place, life });
        }
        let (key, life) = (machine.key, life + 1);
        let config = self.config(place, key, life);
        let setup = Setup {
            place,
            life,
            config,
            segment_bytes: self.plan.segment_bytes,
            snapshot_every: self.plan.snapshot_every,
            is_broker: place >= self.plan.controllers(),
            // Brokers that are only pretended are not heard of.
            broker_session_timeout: match self.plan.brokers {
                0 => Duration::from_secs(86_400),
                _ => Duration::from_millis(self.plan.broker_session_timeout_ms),
            },
            hears_of_silence: self.plan.hears_of_silence,
            random: self.chance(Concern::Controller, place, life),
        };
        let syncs = self.chance(Concern::Sync, place, life);
        let Some(machine) = self.machines.get_mut(place) else { return };
        machine.disk.revive();
        machine.has_forgotten = false;
        (machine.life, machine.syncs) = (life, syncs);
        (machine.sync_planned, machine.tick_planned) = (false, None);
        self.figures.count("starts");
        match Process::start(&machine.disk, setup, machine.now(now)) {
            Ok(process) => {
                machine.process = Some(process);
                self.started(place);
                self.run(place, Process::begin);
            }
            Err(failed) => self.failed(place, &failed),
        }
    }

    /// Lets a process do something; false when it does not run.
    pub(crate) fn run(&mut self, place: Place, act: impl FnOnce(&mut Process, Now) -> Result<(), Failed>) -> bool {
        let instant = self.schedule.now();
        let Some(machine) = self.machines.get_mut(place) else { return false };
        let now = machine.now(instant);
        let Some(process) = &mut machine.process else { return false };
        let result = act(process, now);
        // A driver may bear a failed read; a process does not bear its death.
        let died = machine.disk.is_dead().then(|| Err(Failed::Other("in a call to its disk".to_owned())));
        let result = result.and(died.unwrap_or(Ok(())));
        let busy = machine.disk.take_busy_micros();
        if busy > 0 {
            machine.pause(instant.after(busy));
        }
        self.watch(place, result.is_err());
        match result {
            Ok(()) => self.follow_up(place),
            Err(failed) => self.failed(place, &failed),
        }
        true
    }

    /// A process could not go on: because of a fault that was played, or there is a bug.
    fn failed(&mut self, place: Place, failed: &Failed) {
        if let (true, Failed::Other(how)) = (self.is_damaged(place), failed) {
            self.trace
                .say(self.schedule.now(), || format!("node {place}: stops, and somebody replaces its disk ({how})"));
            self.figures.count("damaged disks that were noticed");
            return self.replace_damaged_disk(place);
        }
        let Some(machine) = self.machines.get_mut(place) else { return };
        let (how, expected) = match failed {
            Failed::Halted(reason) => (reason.to_string(), *reason == HaltReason::DiskFailed),
            Failed::Other(how) => (how.clone(), true),
        };
        if !machine.disk.take_played() || !expected {
            self.violate("no_failure_without_a_fault", format!("node {place} stops: {how}"));
            return;
        }
        let (died, life) = (machine.disk.is_dead(), machine.life);
        let power_cut = died && self.chance(Concern::Death, place, life).chance(500);
        self.trace.say(self.schedule.now(), || format!("node {place}: dies ({how})"));
        self.bury(place, power_cut);
    }

    /// Ends a process at once.
    pub(crate) fn kill(&mut self, place: Place, power_cut: bool) -> bool {
        let runs = self.machines.get(place).is_some_and(|machine| machine.process.is_some());
        if runs {
            self.bury(place, power_cut);
        }
        runs
    }

    /// Stops a process as it should be.
    pub(crate) fn stop(&mut self, place: Place) -> bool {
        if !self.run(place, Process::begin_stop) {
            return false;
        }
        let instant = self.schedule.now();
        let Some(machine) = self.machines.get_mut(place) else { return false };
        let now = machine.now(instant);
        match machine.process.take().map(|process| process.stop(now)) {
            Some(Err(failed)) => self.failed(place, &failed),
            Some(Ok(())) => self.bury(place, false),
            None => {}
        }
        true
    }

    fn bury(&mut self, place: Place, power_cut: bool) {
        let now = self.schedule.now();
        let Some(life) = self.machines.get(place).map(|machine| machine.life) else { return };
        let mut restart = self.chance(Concern::Restart, place, life);
        let mut left = self.chance(Concern::PowerCut, place, life);
        let pause = if self.is_calm() { 10_000 } else { restart.pick(&[5_000, 200_000, 3_000_000]).unwrap_or(5_000) };
        let at = now.after(restart.below(pause) + 1_000);
        let Some(machine) = self.machines.get_mut(place) else { return };
        machine.process = None;
        machine.idle_until = Instant(0);
        if power_cut {
            machine.disk.cut_power(&mut left);
        }
        if let Some(replica) = self.observed.replicas.get_mut(place) {
            replica.running = false;
        }
        self.schedule.plan(at, Event::Restart { place, life });
    }

    pub(super) fn is_damaged(&self, place: Place) -> bool {
        self.observed.replicas.get(place).is_some_and(|replica| replica.damaged)
    }

    /// Somebody replaces a disk that does not hold what was written.
    pub(super) fn replace_damaged_disk(&mut self, place: Place) {
        self.bury(place, true);
        self.lose_disk(place);
    }

    /// Gives a machine an empty disk, with an id of its own.
    pub(crate) fn lose_disk(&mut self, place: Place) {
        self.kill(place, true);
        let salt = self.salt;
        let Some(machine) = self.machines.get_mut(place) else { return };
        let key = new_key(place, machine.disks, salt);
        (machine.key, machine.disk) = (key, VirtualDisk::default());
        machine.disks += 1;
        if let Some(replica) = self.observed.replicas.get_mut(place) {
            let lost = std::mem::replace(replica, crate::observed::Replica::new(key));
            self.observed.lost.push(lost);
        }
        self.format(place, &[]);
    }

    fn is_election_open(&self) -> bool {
        self.observed.replicas.iter().any(|replica| replica.running && replica.standing.role == RoleName::Candidate)
    }

    /// Gives a machine an empty disk, formatted as the first one was. Until that is done, all that its processes sent has arrived, and no candidate
    /// counts votes any more that they gave.
    pub(crate) fn format_again(&mut self, place: Place) {
        self.kill(place, true);
        let Some(machine) = self.machines.get_mut(place) else { return };
        machine.disk = VirtualDisk::default();
        machine.has_forgotten = true;
        if let Some(replica) = self.observed.replicas.get_mut(place) {
            let lost = std::mem::replace(replica, crate::observed::Replica::new(replica.key));
            self.observed.lost.push(lost);
        }
        let voters = self.first_voters.clone();
        self.format(place, &voters);
    }
}

/// A key for a new disk.
fn new_key(place: Place, number: u64, salt: Salt) -> ReplicaKey {
    let directory_id =
        Uuid::from_random(salt.stream(Concern::Directory, place as u64, number).wide_bits().to_be_bytes());
    ReplicaKey { id: BrokerId(i32::try_from(place).unwrap_or(i32::MAX)), directory_id }
}

fn place_of(key: ReplicaKey) -> Place {
    usize::try_from(key.id.0).unwrap_or(0)
}
