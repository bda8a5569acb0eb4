//! Carries out what is done to the quorum, and notes it for the script. Never lets so many disks be lost that a voter set in anybody's log
//! would have no majority left.

use barnabas_raft::Role;

use super::{Event, World};
use crate::deed::{Deed, Name};
use crate::disk::VirtualDisk;
use crate::network::{Place, Weather};
use crate::observed::RoleName;
use crate::operator::PATIENCE_MICROS;
use crate::process::{Message, Process};

impl World {
    /// Lets something go wrong, and plans the next time.
    pub(super) fn fault(&mut self) {
        if self.is_calm() {
            return;
        }
        let Some(mut dice) = self.dice.take() else { return };
        let next = self.schedule.now().after(dice.fault_gap());
        self.schedule.plan_first(next, Event::Fault);
        let deeds = dice.fault(self);
        self.dice = Some(dice);
        deeds.into_iter().for_each(|deed| self.attempt(deed));
    }

    /// Lets the operator change the voters, and plans its next turn.
    pub(super) fn operator_turn(&mut self) {
        if self.is_calm() {
            return;
        }
        let Some(mut dice) = self.dice.take() else { return };
        let next = self.schedule.now().after(dice.operator_gap());
        self.schedule.plan_first(next, Event::Operator);
        let deed = dice.voter_change(self);
        self.dice = Some(dice);
        deed.into_iter().for_each(|deed| self.attempt(deed));
    }

    /// Does something, where it is possible, and keeps it for the script.
    pub(super) fn attempt(&mut self, deed: Deed) {
        if !self.is_possible(&deed) {
            return;
        }
        let now = self.schedule.now();
        self.figures.count(deed.figure());
        let line = deed.to_string();
        self.trace.note(now, &[100, crate::trace::digest_bytes(0, line.as_bytes())], || format!("*** {line}"));
        self.deeds.push((now, deed.clone()));
        self.carry_out(deed);
    }

    fn is_possible(&self, deed: &Deed) -> bool {
        let runs = |place: &Place| self.machines.get(*place).is_some_and(|machine| machine.process.is_some());
        match deed {
            Deed::Kill { node }
            | Deed::PowerCut { node }
            | Deed::DieWriting { node, .. }
            | Deed::Pause { node, .. }
            | Deed::Stop { node }
            | Deed::Resign { node }
            | Deed::SlowDisk { node, .. }
            | Deed::FailedSync { node, .. }
            | Deed::FullDisk { node, .. }
            | Deed::Snapshot { node } => runs(node),
            Deed::LostDisk { node } | Deed::FlippedBit { node, .. } => self.may_lose_disk(*node),
            Deed::FormattedAgain { node } => self.may_forget(*node),
            Deed::Partition { .. } | Deed::Foul { .. } | Deed::WallClock { .. } => true,
            Deed::AddVoter { .. } | Deed::RemoveVoter { .. } => !self.operator.waits(),
        }
    }

    fn carry_out(&mut self, deed: Deed) {
        let now = self.schedule.now();
        match deed {
            Deed::Kill { node } => _ = self.kill(node, false),
            Deed::PowerCut { node } => _ = self.kill(node, true),
            Deed::DieWriting { node, calls } => self.on_disk(node, |disk| disk.die_after(calls)),
            Deed::Pause { node, micros } => {
                self.machine_mut(node).into_iter().for_each(|machine| machine.pause(now.after(micros)));
            }
            Deed::Stop { node } => _ = self.stop(node),
            Deed::Resign { node } => _ = self.run(node, Process::resign),
            Deed::Partition { split, micros } => {
                self.network.split(split);
                self.schedule.plan(now.after(micros), Event::HealNetwork);
            }
            Deed::Foul { weather, micros } => {
                self.network.set_weather(weather);
                self.schedule.plan(now.after(micros), Event::FairWeather);
            }
            Deed::SlowDisk { node, sync_micros, micros } => {
                self.disk_for_a_while(node, micros, |disk| disk.set_sync_micros(sync_micros));
            }
            Deed::FailedSync { node, micros } => self.disk_for_a_while(node, micros, |disk| disk.fail_syncs(1)),
            Deed::FullDisk { node, micros } => self.disk_for_a_while(node, micros, |disk| disk.set_full(true)),
            Deed::LostDisk { node } => self.lose_disk(node),
            Deed::FormattedAgain { node } => self.format_again(node),
            Deed::FlippedBit { node, choice } => {
                if let (Some(machine), Some(replica)) = (self.machines.get(node), self.observed.replicas.get_mut(node))
                {
                    replica.damaged |= crate::disk_log::flip(&machine.disk, choice);
                }
            }
            Deed::WallClock { node, millis } => {
                self.machine_mut(node).into_iter().for_each(|machine| machine.move_wall_clock(millis));
            }
            Deed::Snapshot { node } => _ = self.run(node, Process::take_snapshot),
            Deed::AddVoter { to, voter: Name(voter) } => self.change_voters(to, |operator| operator.add(voter)),
            Deed::RemoveVoter { to, voter: Name(voter) } => self.change_voters(to, |operator| operator.remove(voter)),
        }
    }

    fn change_voters(&mut self, to: Place, ask: impl FnOnce(&mut crate::operator::Operator) -> Message) {
        let now = self.schedule.now();
        let message = ask(&mut self.operator);
        if let Message::Request { from, .. } = &message {
            self.schedule.plan(now.after(PATIENCE_MICROS), Event::OperatorGivesUp(*from));
            self.send(from.place, to, message, now);
        }
    }

    fn on_disk(&mut self, place: Place, act: impl FnOnce(&VirtualDisk)) {
        if let Some(machine) = self.machine_mut(place) {
            act(&machine.disk);
        }
    }

    fn disk_for_a_while(&mut self, place: Place, micros: u64, act: impl FnOnce(&VirtualDisk)) {
        self.schedule.plan(self.schedule.now().after(micros), Event::HealDisk(place));
        self.on_disk(place, act);
    }

    /// The faults stop: all machines run, all messages arrive, all disks work.
    pub(super) fn calm(&mut self) {
        let now = self.schedule.now();
        self.calm_since = Some(now);
        self.network.heal();
        self.network.set_weather(Weather::FAIR);
        for place in 0..self.machines.len() {
            if self.is_damaged(place) {
                self.replace_damaged_disk(place);
            }
            let Some(machine) = self.machine_mut(place) else { continue };
            machine.disk.heal();
            machine.wake(now);
            if let (true, life) = (machine.process.is_none(), machine.life) {
                self.schedule.plan(now, Event::Restart { place, life });
            }
        }
        self.acknowledged_before = self.clients.iter().map(|client| client.acknowledged).sum();
        self.trace.note(now, &[200], || "*** calm: nothing goes wrong any more".to_owned());
        self.schedule.plan(now.after(1_000_000), Event::Look);
    }

    /// What must be so before a disk may be lost: each voter set that any replica goes by keeps a majority whose disks are as they were
    /// when they became voters, and that have taken part. No change of the voters is under way, which might count on this disk.
    fn may_lose_disk(&self, place: Place) -> bool {
        let Some(victim) = self.observed.replicas.get(place) else { return false };
        let leads = self.leader().and_then(|leader| self.observed.replicas.get(leader));
        let is_voter = leads.is_some_and(|leader| leader.standing.voters.contains(&victim.key));
        let may_become_one = place < self.plan.controllers() && !is_voter;
        if self.plan.kraft_version == 0
            || victim.damaged
            || may_become_one
            || self.operator.waits()
            || self.change_is_under_way()
        {
            return false;
        }
        self.observed.replicas.iter().all(|replica| {
            let voters = &replica.standing.voters;
            let alive = voters.iter().filter(|voter| **voter != victim.key && self.observed.is_whole(**voter));
            voters.is_empty() || alive.count() * 2 > voters.len()
        })
    }

    /// What must be so before a voter may forget: it is one of the first, with its first disk, and every other voter that anybody goes by has its
    /// disk and a committed record. Where two of three have none they may be a new quorum, as far as they can know.
    fn may_forget(&self, place: Place) -> bool {
        let Some(victim) = self.observed.replicas.get(place) else { return false };
        let known = self.observed.replicas.iter().map(|replica| &replica.standing.voters);
        let known: Vec<_> = known.filter(|voters| !voters.is_empty()).chain([&self.first_voters]).collect();
        let are_whole = |voters: &&Vec<_>| {
            voters.len() > 2
                && voters.contains(&victim.key)
                && voters.iter().all(|voter| self.observed.is_whole(*voter))
        };
        self.may_lose_disk(place) && known.iter().all(are_whole)
    }

    fn change_is_under_way(&self) -> bool {
        self.machines
            .iter()
            .filter_map(|machine| machine.process.as_ref())
            .any(|process| matches!(process.driver.node().role(), Role::Leader(leader) if leader.change.is_some()))
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
