//! Looks at a replica after it did something, notes what is new, and holds every invariant against it.

use barnabas_raft::{Role, SnapshotId};
use barnabas_types::{LeaderEpoch, Offset};

use super::World;
use crate::broker::News;
use crate::chain::Chain;
use crate::disk_log::{self, Cursor};
use crate::network::Place;
use crate::observed::{Committed, Fact, Observed, RoleName, Standing};
use crate::process::Process;

impl World {
    /// A process has read its disk.
    pub(super) fn started(&mut self, place: Place) {
        let now = self.schedule.now();
        let Some(machine) = self.machines.get_mut(place) else { return };
        let Some(process) = &machine.process else { return };
        let standing = standing(process);
        let log = process.driver.node().log();
        let (mut start, end, snapshot) = (log.start().0, log.end().0, log.snapshot());
        if self.observed.replicas.get(place).is_some_and(|replica| replica.damaged) {
            // What the snapshot holds of the log may be where the damage is, and the replica does not read it.
            start = start.max(snapshot.end_offset.0);
        }
        machine.cursor = Cursor::default();
        let found = disk_log::read(&machine.disk, &mut machine.cursor, start, end);
        let Some(replica) = self.observed.replicas.get_mut(place) else { return };
        // A log that was cut at its start was committed there; one that was not has no history.
        let history = self.observed.committed.get(&start).map_or(0, |committed| committed.history);
        let mut log = Chain::starting(start, history);
        let found = found.unwrap_or_default();
        let (snapshot_end, in_snapshot) = disk_log::newest_snapshot(&machine.disk).unwrap_or_default();
        let in_log = found.iter().filter(|(batch, _)| batch.end > snapshot_end);
        let in_log = in_log.filter_map(|(batch, voters)| Some((batch.end, voters.clone()?)));
        replica.voters_in_log = in_snapshot.map(|voters| (snapshot_end, voters)).into_iter().chain(in_log).collect();
        let whole = found.iter().all(|(batch, _)| log.push(*batch).is_some()) && log.end() == end;
        let before = std::mem::replace(&mut replica.log, log);
        let durable_end = std::mem::replace(&mut replica.durable_end, end);
        let epoch = standing.epoch;
        (replica.running, replica.standing) = (true, standing);
        self.trace.note(now, &[1, place as u64, end.cast_unsigned(), u64::from(epoch.cast_unsigned())], || {
            let last: Vec<_> = found.iter().rev().take(3).map(|(batch, _)| (batch.end, batch.epoch)).collect();
            format!("node {place}: starts in epoch {epoch} with log {start}..{end} (ends and epochs {last:?}), snapshot {snapshot}")
        });
        if !whole {
            self.violate(
                "synced_is_kept",
                format!("the log of node {place} is {start}..{end}, and its files do not hold that"),
            );
        }
        self.hold(&Fact::Started { place, before, durable_end });
        self.hold(&Fact::Settled { place });
    }

    /// Notes what a process has just done: its log and its vote by its disk, the rest by what its engine shows. After a failure its log is looked
    /// at when it starts again: until then it may be anything between.
    pub(super) fn watch(&mut self, place: Place, failed: bool) {
        let Some(machine) = self.machines.get_mut(place) else { return };
        let Some(process) = &machine.process else { return };
        let log = process.driver.node().log();
        let (end, durable_end) = (log.end().0, log.durable_end().0);
        let (standing, installed) = (standing(process), process.installed());
        let Some(replica) = self.observed.replicas.get_mut(place) else { return };
        if let Some(id) = installed {
            let history = self.observed.committed.get(&id.end_offset.0).map_or(0, |committed| committed.history);
            replica.log = Chain::starting(id.end_offset.0, history);
            replica.durable_end = id.end_offset.0;
            let in_snapshot = disk_log::newest_snapshot(&machine.disk).and_then(|(end, voters)| Some((end, voters?)));
            replica.voters_in_log = in_snapshot.into_iter().collect();
        }
        // What it knows again it knows once that is on disk.
        replica.settled |= !failed && process.driver.node().remembers() && standing.high_watermark > Some(0);
        let before = std::mem::replace(&mut replica.standing, standing);
        let moved = before != replica.standing;
        // A vote whose writing failed was told nobody, and may be gone.
        let may_have_voted = before.epoch != replica.standing.epoch || before.voted != replica.standing.voted;
        let vote = if may_have_voted && !failed { disk_log::vote(&machine.disk) } else { None };
        if end < replica.log.end() {
            self.truncated(place, end);
        }
        if !failed {
            self.appended(place, end);
        }
        self.synced(place, durable_end);
        if let Some((epoch, candidate)) = vote {
            self.trace.note(self.schedule.now(), &[5, place as u64, u64::from(epoch.cast_unsigned())], || {
                format!("node {place}: has voted for {candidate} in epoch {epoch}")
            });
            self.hold(&Fact::Voted { place, epoch, candidate });
        }
        if moved {
            self.moved(place, before);
        }
        if !failed {
            self.hold(&Fact::Settled { place });
        }
    }

    fn appended(&mut self, place: Place, end: i64) {
        let (Some(machine), Some(replica)) = (self.machines.get_mut(place), self.observed.replicas.get_mut(place))
        else {
            return;
        };
        if end <= replica.log.end() {
            return;
        }
        let found = match disk_log::read(&machine.disk, &mut machine.cursor, replica.log.end(), end) {
            Ok(found) => found,
            Err(how) => return self.violate("log_matching", format!("node {place}: {how}")),
        };
        for (batch, voters) in found {
            let pushed = self.observed.replicas.get_mut(place).and_then(|replica| {
                replica.voters_in_log.extend(voters.clone().map(|voters| (batch.end, voters)));
                replica.log.push(batch)
            });
            let Some(link) = pushed else {
                return self.violate("log_matching", format!("node {place} appends {batch:?} after a gap"));
            };
            self.trace.note(self.schedule.now(), &[2, place as u64, batch.end.cast_unsigned(), batch.digest], || {
                format!(
                    "node {place}: appends {}..{} of epoch {}, voters {voters:?}",
                    batch.base, batch.end, batch.epoch
                )
            });
            self.hold(&Fact::Appended { place, link, voters });
        }
    }

    fn truncated(&mut self, place: Place, end: i64) {
        let Some(replica) = self.observed.replicas.get_mut(place) else { return };
        let before = replica.log.clone();
        replica.log.truncate(end);
        replica.voters_in_log.retain(|(at, _)| *at <= end);
        replica.durable_end = replica.durable_end.min(end);
        self.figures.count("truncations");
        self.trace.note(self.schedule.now(), &[3, place as u64, end.cast_unsigned()], || {
            format!("node {place}: cuts its log at {end}")
        });
        self.hold(&Fact::Truncated { place, before });
    }

    fn synced(&mut self, place: Place, end: i64) {
        let Some(replica) = self.observed.replicas.get_mut(place) else { return };
        // What a start has read is synced by then, though the engine does not count on it.
        if end > replica.durable_end {
            replica.durable_end = end;
            self.trace.note(self.schedule.now(), &[4, place as u64, end.cast_unsigned()], || {
                format!("node {place}: has synced all below {end}")
            });
        }
    }

    /// A replica has replaced its log.
    pub(super) fn installed(&mut self, place: Place, id: SnapshotId) {
        self.snapshot(place, id, "snapshots installed");
        self.hold(&Fact::Installed { place, id });
    }

    /// A replica has written a snapshot.
    pub(super) fn snapshot_taken(&mut self, place: Place, id: SnapshotId) {
        self.snapshot(place, id, "snapshots taken");
        self.hold(&Fact::SnapshotTaken { place, id });
    }

    fn snapshot(&mut self, place: Place, id: SnapshotId, what: &'static str) {
        self.figures.count(what);
        self.trace.note(self.schedule.now(), &[6, place as u64, id.end_offset.0.cast_unsigned()], || {
            format!("node {place}: {what}: {id}")
        });
    }

    fn moved(&mut self, place: Place, before: Standing) {
        let Observed { replicas, committed, .. } = &mut self.observed;
        let Some(replica) = replicas.get(place) else { return };
        let after = &replica.standing;
        if let Some(watermark) = after.high_watermark {
            let mut end = committed.last_key_value().map_or(0, |(&end, _)| end);
            for link in replica.log.after(end).take_while(|link| link.batch.end <= watermark) {
                if link.batch.base == end {
                    committed.insert(link.batch.end, Committed { epoch: link.batch.epoch, history: link.history });
                    end = link.batch.end;
                }
            }
        }
        let numbers = [
            7,
            place as u64,
            after.role as u64,
            u64::from(after.epoch.cast_unsigned()),
            after.leader.map_or(u64::MAX, |leader| u64::from(leader.cast_unsigned())),
            after.high_watermark.map_or(u64::MAX, i64::cast_unsigned),
        ];
        self.trace.note(self.schedule.now(), &numbers, || {
            format!(
                "node {place}: {:?} in epoch {} (leader {:?}), high watermark {:?}, voters {:?}",
                after.role, after.epoch, after.leader, after.high_watermark, after.voters
            )
        });
        if after.role != before.role {
            match after.role {
                RoleName::Leader => self.figures.count("elections won"),
                RoleName::Candidate => self.figures.count("candidacies"),
                RoleName::Prospective => self.figures.count("pre-votes"),
                RoleName::Resigned => self.figures.count("resignations"),
                RoleName::Follower | RoleName::Unattached => {}
            }
        }
        if after.role == RoleName::Leader && after.voters != before.voters && before.role == RoleName::Leader {
            self.figures.count("voter sets appended");
        }
        self.hold(&Fact::Moved { place, before });
    }

    pub(super) fn applied(&mut self, place: Place, offset: Offset, image: u64, from_snapshot: bool) {
        self.trace.note(self.schedule.now(), &[8, place as u64, offset.0.cast_unsigned(), image], || {
            format!("node {place}: has applied {offset}, image {image:016x}")
        });
        self.hold(&Fact::Applied { place, offset: offset.0, image, from_snapshot });
    }

    pub(super) fn acknowledged(&mut self, place: Place, end: Offset, epoch: LeaderEpoch) {
        self.hold(&Fact::Acknowledged { place, end: end.0, epoch: epoch.0 });
    }

    /// A broker has learnt something.
    pub(super) fn learnt(&mut self, place: Place, news: News) {
        let Some(machine) = self.machines.get(place) else { return };
        let (life, applied) = (machine.life, machine.process.as_ref().map_or(0, |process| process.applied().0));
        let (number, epoch) = match news {
            News::Registered(epoch) => (9, epoch),
            News::LetIn(epoch) => (10, epoch),
        };
        self.trace.note(self.schedule.now(), &[number, place as u64, epoch.cast_unsigned()], || {
            format!("node {place}: its broker is {news:?}")
        });
        match news {
            News::Registered(_) => {
                self.figures.count("brokers registered");
                self.hold(&Fact::Registered { place, life, epoch });
            }
            News::LetIn(_) => self.hold(&Fact::LetIn { place, epoch, applied }),
        }
    }

    /// Holds every invariant against a fact.
    fn hold(&mut self, fact: &Fact) {
        let mut broken = None;
        for invariant in &mut self.invariants {
            if let Err(how) = invariant.check(&self.observed, fact) {
                broken = Some((invariant.name(), how));
                break;
            }
        }
        if let Some((what, how)) = broken {
            self.violate(what, how);
        }
    }
}

/// Where a process's replica stands.
fn standing(process: &Process) -> Standing {
    let node = process.driver.node();
    let (role, leader, voted) = match node.role() {
        Role::Unattached(role) => (RoleName::Unattached, None, given(role.vote)),
        Role::Follower(role) => (RoleName::Follower, Some(role.leader.0), given(role.vote)),
        Role::Prospective(role) => {
            (RoleName::Prospective, role.leader.as_ref().map(|(leader, _)| leader.0), given(role.vote))
        }
        Role::Candidate(_) => (RoleName::Candidate, None, Some(node.key())),
        Role::Leader(_) => (RoleName::Leader, Some(node.key().id.0), None),
        Role::Resigned(_) => (RoleName::Resigned, None, None),
    };
    let (voters, epoch, high_watermark) = (node.voters().keys(), node.epoch().0, Some(node.high_watermark().0));
    let voters_end = node.control().last_voters().map_or(0, |(offset, _)| offset.0 + 1);
    Standing { role, epoch, leader, voted, high_watermark, voters, voters_end }
}

const fn given(vote: barnabas_raft::Vote) -> Option<barnabas_raft::ReplicaKey> {
    match vote {
        barnabas_raft::Vote::Given(candidate) => Some(candidate),
        barnabas_raft::Vote::Free | barnabas_raft::Vote::Withheld => None,
    }
}
