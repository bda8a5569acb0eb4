//! What goes wrong, and when. Chooses by chance within what the quorum is built to survive: never are so many disks lost that a voter set
//! in anybody's log would have no majority left.

use crate::disk::VirtualDisk;
use crate::network::{Place, Split, Weather};
use crate::observed::RoleName;
use crate::process::Process;
use crate::world::{Event, World};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A process ends at once; what it wrote stays.
    Kill,
    /// A machine loses power, and with it what was not synced.
    PowerCut,
    /// A process dies between two calls to its disk or within one, perhaps by a power cut.
    DieWriting,
    /// All machines lose power.
    Blackout,
    /// A process stands still and then goes on as if nothing had been.
    Pause,
    /// A process is stopped as it should be.
    Stop,
    /// A leader gives up.
    Resign,
    /// Some machines do not hear some others.
    Partition,
    /// Messages get lost, late, doubled.
    Weather,
    /// Syncs take long.
    SlowDisk,
    /// A sync fails.
    FailedSync,
    /// There is no room on a disk.
    FullDisk,
    /// A disk is replaced by an empty one.
    LostDisk,
    /// A replica takes a snapshot.
    Snapshot,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Kill,
        Self::PowerCut,
        Self::DieWriting,
        Self::Blackout,
        Self::Pause,
        Self::Stop,
        Self::Resign,
        Self::Partition,
        Self::Weather,
        Self::SlowDisk,
        Self::FailedSync,
        Self::FullDisk,
        Self::LostDisk,
        Self::Snapshot,
    ];

    /// As figures show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "fault: kill",
            Self::PowerCut => "fault: power cut",
            Self::DieWriting => "fault: death in a disk call",
            Self::Blackout => "fault: power cut of all",
            Self::Pause => "fault: pause",
            Self::Stop => "fault: stop",
            Self::Resign => "fault: resignation",
            Self::Partition => "fault: partition",
            Self::Weather => "fault: foul weather",
            Self::SlowDisk => "fault: slow disk",
            Self::FailedSync => "fault: failed sync",
            Self::FullDisk => "fault: full disk",
            Self::LostDisk => "fault: lost disk",
            Self::Snapshot => "snapshots on request",
        }
    }
}

const SECOND: u64 = 1_000_000;

impl World {
    /// Lets something go wrong, and plans the next time.
    pub(crate) fn fault(&mut self) {
        if self.is_calm() {
            return;
        }
        let gap = self.random.faults.below(self.plan.fault_gap_micros) + 1_000;
        let next = self.schedule.now().after(gap);
        self.schedule.plan(next, Event::Fault);
        let Some(kind) = self.random.faults.pick(&self.plan.faults) else { return };
        let place = self.victim();
        if self.inflict(kind, place) {
            self.figures.count(kind.name());
            self.trace.note(self.schedule.now(), &[100 + kind as u64, place as u64], || {
                format!("node {place}: {}", kind.name())
            });
        }
    }

    /// A machine; the leader's more often than others.
    fn victim(&mut self) -> Place {
        let places = self.plan.replicas() as u64;
        match self.leader() {
            Some(leader) if self.random.faults.chance(400) => leader,
            _ => usize::try_from(self.random.faults.below(places)).unwrap_or(0),
        }
    }

    /// False when nothing came of it.
    fn inflict(&mut self, kind: Kind, place: Place) -> bool {
        let now = self.schedule.now();
        match kind {
            Kind::Kill => self.kill(place, false),
            Kind::PowerCut => self.kill(place, true),
            Kind::DieWriting => {
                let calls = self.random.faults.below(60);
                self.on_disk(place, |disk| disk.die_after(calls))
            }
            Kind::Blackout => (0..self.plan.replicas()).filter(|&place| self.kill(place, true)).count() > 0,
            Kind::Pause => {
                let until = now.after(self.random.faults.between(20_000, 4 * SECOND));
                self.machine_mut(place).is_some_and(|machine| machine.pause(until))
            }
            Kind::Stop => self.stop(place),
            Kind::Resign => self.leader().is_some_and(|leader| self.run(leader, Process::resign)),
            Kind::Partition => {
                let favourite = self.leader();
                let split = Split::random(&mut self.random.faults, self.plan.replicas(), favourite);
                self.trace.say(now, || format!("network: {split:?}"));
                self.network.split(split);
                let until = now.after(self.random.faults.between(50_000, 5 * SECOND));
                self.schedule.plan(until, Event::HealNetwork);
                true
            }
            Kind::Weather => {
                let weather = Weather::random(&mut self.random.faults);
                self.network.set_weather(weather);
                let until = now.after(self.random.faults.between(100_000, 3 * SECOND));
                self.schedule.plan(until, Event::FairWeather);
                true
            }
            Kind::SlowDisk => {
                let micros = self.random.faults.between(20_000, 600_000);
                self.disk_for_a_while(place, |disk| disk.set_sync_micros(micros))
            }
            Kind::FailedSync => self.disk_for_a_while(place, |disk| disk.fail_syncs(1)),
            Kind::FullDisk => self.disk_for_a_while(place, |disk| disk.set_full(true)),
            Kind::LostDisk => self.may_lose_disk(place) && self.lose_disk(place),
            Kind::Snapshot => self.run(place, Process::take_snapshot),
        }
    }

    fn on_disk(&mut self, place: Place, act: impl FnOnce(&VirtualDisk)) -> bool {
        let Some(machine) = self.machine_mut(place).filter(|machine| machine.process.is_some()) else { return false };
        act(&machine.disk);
        true
    }

    fn disk_for_a_while(&mut self, place: Place, act: impl FnOnce(&VirtualDisk)) -> bool {
        let until = self.schedule.now().after(self.random.faults.between(50_000, 3 * SECOND));
        self.schedule.plan(until, Event::HealDisk(place));
        self.on_disk(place, act)
    }

    /// What must be so before a disk may be lost: each voter set that any replica goes by keeps a majority whose disks are as they were
    /// when they became voters. No change of the voters is under way, which might count on this disk.
    fn may_lose_disk(&self, place: Place) -> bool {
        let Some(victim) = self.observed.replicas.get(place) else { return false };
        let leads = self.leader().and_then(|leader| self.observed.replicas.get(leader));
        let is_voter = leads.is_some_and(|leader| leader.standing.voters.contains(&victim.key));
        let may_become_one = place < self.plan.controllers() && !is_voter;
        if self.plan.kraft_version == 0 || may_become_one || self.operator.waits() || self.change_is_under_way() {
            return false;
        }
        self.observed.replicas.iter().all(|replica| {
            let voters = &replica.standing.voters;
            let alive = voters.iter().filter(|voter| **voter != victim.key && self.observed.replica(**voter).is_some());
            voters.is_empty() || alive.count() * 2 > voters.len()
        })
    }

    fn change_is_under_way(&self) -> bool {
        self.machines.iter().filter_map(|machine| machine.process.as_ref()).any(|process| {
            matches!(process.driver.node().role(), barnabas_raft::Role::Leader(leader) if leader.change.is_some())
        })
    }

    /// Where the replica is that leads the newest epoch, as far as anybody knows.
    pub(crate) fn leader(&self) -> Option<Place> {
        let leads = |(_, replica): &(Place, &crate::observed::Replica)| {
            replica.running && replica.standing.role == RoleName::Leader
        };
        let leaders = self.observed.replicas.iter().enumerate().filter(leads);
        leaders.max_by_key(|(_, replica)| replica.standing.epoch).map(|(place, _)| place)
    }
}
