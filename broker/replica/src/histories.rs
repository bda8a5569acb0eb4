//! Random histories of a small cluster: crashes, losses, elections, reassignments, late messages, and every invariant after every step; then
//! peace, in which all must become one again. `REPLICA_SEED=n cargo test -p barnabas-replica no_history -- --nocapture` tells one history,
//! `REPLICA_HISTORIES=n` plays that many.

use barnabas_types::BrokerId;
use strum::VariantArray as _;

use crate::world::World;
use crate::{Bug, Durability, Settings};

/// SplitMix64: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

struct History {
    random: Random,
    world: World,
    /// How likely faults are, in a hundred steps.
    faults: usize,
}

impl History {
    fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut random = Random(seed);
        let durability = if random.one_in(3) { Durability::Replicated } else { Durability::Fsync };
        let min_insync_replicas = 1 + random.below(2);
        let settings =
            Settings { min_insync_replicas, durability, replica_lag_time_max_ms: 100, bug, ..Settings::default() };
        let brokers = [2, 3, 3, 3, 4][random.below(5)];
        let faults = [1, 4, 10][random.below(3)];
        Self { random, world: World::new(brokers, settings), faults }
    }

    fn any(&mut self) -> BrokerId {
        let ids = self.world.ids();
        ids[self.random.below(ids.len())]
    }

    /// A broker that believes that it leads, if there is one.
    fn leading(&mut self) -> Option<BrokerId> {
        let leads = |id: &BrokerId| self.world.broker(*id).life.as_ref().is_some_and(|life| life.replica.is_leader());
        let leaders: Vec<_> = self.world.ids().into_iter().filter(leads).collect();
        (!leaders.is_empty()).then(|| leaders[self.random.below(leaders.len())])
    }

    fn step(&mut self) {
        let frozen: Vec<_> =
            self.world.ids().into_iter().filter_map(|id| self.world.frozen(id).map(|state| (id, state))).collect();
        if self.random.below(100) < self.faults {
            self.fault();
        } else {
            self.work();
        }
        for (id, before) in frozen {
            self.world.check_frozen(id, before);
        }
        self.world.check();
    }

    fn work(&mut self) {
        let id = self.any();
        match self.random.below(20) {
            0..=1 => {
                let acks_all = !self.random.one_in(3);
                if let Some(leader) = self.leading() {
                    self.world.produce(leader, acks_all);
                }
            }
            2..=3 => self.world.sync(id),
            4 => self.pass(5),
            5..=6 => {
                let count = if self.random.one_in(4) { 3 } else { 1 };
                self.world.apply(id, count);
            }
            7 => {
                let applied = self.world.broker(id).life.as_ref().map(|life| life.applied);
                if applied.is_some_and(|applied| self.world.controller.unfence(id, applied)) {
                    self.world.note(format!("controller: unfences {id}"));
                }
            }
            8 => {
                let broker = self.world.broker_mut(id);
                if let Some(life) = &broker.life {
                    broker.checkpoint = life.replica.high_watermark();
                }
            }
            _ if !self.world.messages.is_empty() => {
                let position = self.random.below(self.world.messages.len());
                self.world.deliver(position);
            }
            _ => self.pass(1),
        }
    }

    fn pass(&mut self, longest_ms: usize) {
        self.world.now_ms += 1 + u64::try_from(self.random.below(longest_ms)).unwrap();
        for id in self.world.ids() {
            self.world.tick(id);
        }
    }

    fn fault(&mut self) {
        let id = self.any();
        match self.random.below(10) {
            0..=1 if self.world.broker(id).life.is_some() => {
                self.world.note(format!("{id} crashes"));
                self.world.broker_mut(id).life = None;
            }
            0..=3 => self.restart(id),
            4 => {
                self.world.note(format!("controller: fences {id}"));
                self.world.controller.fence(id);
            }
            5 => {
                self.world.note(format!("controller: prefers {id}"));
                self.world.controller.prefer(id);
            }
            6 if self.random.one_in(3) => {
                self.world.note(format!("controller: {id} shuts down"));
                self.world.controller.shut_down(id);
            }
            7 if self.random.one_in(2) => self.pass(150),
            7 => self.reassign(),
            _ if !self.world.messages.is_empty() => {
                let position = self.random.below(self.world.messages.len());
                self.world.time_out(position);
                if self.random.one_in(2) {
                    _ = self.world.messages.get(position).is_some().then(|| self.world.messages.remove(position));
                }
            }
            _ => {}
        }
    }

    /// To some of the brokers, in some order.
    fn reassign(&mut self) {
        let mut target = self.world.ids();
        for _ in 0..self.random.below(3) {
            let position = self.random.below(target.len());
            target.remove(position);
        }
        let first = self.random.below(target.len().max(1));
        target.rotate_left(first);
        if !target.is_empty() {
            self.world.note(format!("controller: reassigns to {target:?}"));
            self.world.controller.reassign(&target);
        }
    }

    /// With the power's loss: what was not synced may be gone, or a part of it.
    fn restart(&mut self, id: BrokerId) {
        let broker = self.world.broker(id);
        let (durable, end) = (broker.log.durable, broker.log.records.len());
        let kept = durable + self.random.below(end - durable + 1);
        // Under fsync it has never been counted for what it lost.
        let has_lost = self.world.settings.durability == Durability::Replicated && kept < end;
        self.world.note(format!("{id} restarts with {kept} of {end} records"));
        let broker = self.world.broker_mut(id);
        broker.life = None;
        broker.log.truncate(kept);
        broker.log.durable = kept;
        self.world.controller.register(id, has_lost);
        let applied = self.random.below(self.world.controller.states.len());
        self.world.start(id, applied);
    }

    fn play(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
            if self.world.broken.is_some() {
                return;
            }
        }
        self.make_peace();
    }

    /// No faults any more: everybody comes back, and then all have everything.
    fn make_peace(&mut self) {
        self.world.note("peace".to_owned());
        for id in self.world.ids() {
            let is_shutting_down = self.world.controller.state().brokers.0[&id].is_shutting_down;
            if self.world.broker(id).life.is_none() || is_shutting_down {
                self.restart(id);
            }
        }
        for round in 0..80 {
            for id in self.world.ids() {
                self.world.apply(id, usize::MAX);
                let applied = self.world.controller.states.len();
                self.world.controller.unfence(id, applied);
                self.world.apply(id, usize::MAX);
                self.world.sync(id);
            }
            for _ in 0..self.world.messages.len() {
                self.world.deliver(0);
                self.world.check();
            }
            self.world.now_ms += 10;
            self.world.ids().into_iter().for_each(|id| self.world.tick(id));
            if self.world.broken.is_some() || (round > 10 && self.is_whole()) {
                return;
            }
            if round == 30 && self.world.controller.state().leader != BrokerId::NONE {
                let leader = self.world.controller.state().leader;
                self.world.produce(leader, true);
            }
        }
        if !self.world.controller.state().isr.is_empty() {
            let logs: Vec<_> = self.world.brokers.values().map(|broker| broker.log.show()).collect();
            self.world.fail(format!("in peace not all become one: {:?}, {logs:?}", self.world.controller.state()));
        }
    }

    fn is_whole(&self) -> bool {
        let state = self.world.controller.state();
        let end = |id: &BrokerId| self.world.broker(*id).log.end();
        let has_all = |id: &BrokerId| {
            let life = self.world.broker(*id).life.as_ref().unwrap();
            end(id) == end(&state.leader) && life.replica.high_watermark() == end(id)
        };
        state.leader != BrokerId::NONE && state.isr.len() == state.replicas.len() && state.replicas.iter().all(has_all)
    }
}

const STEPS: usize = 300;

fn play(seed: u64, bug: Option<Bug>) -> History {
    let mut history = History::new(seed, bug);
    history.play(STEPS);
    history
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect(name))
}

#[test]
fn no_history_loses_a_committed_record() {
    if let Some(seed) = number("REPLICA_SEED") {
        let history = play(seed, None);
        println!("{}", history.world.trace.join("\n"));
        assert_eq!(history.world.broken, None, "seed {seed}");
        return;
    }
    let histories = number("REPLICA_HISTORIES").unwrap_or(1500);
    let (mut committed, mut elections, mut changes, mut reassignments) = (0, 0, 0, 0);
    for seed in 0..histories {
        let history = play(seed, None);
        assert_eq!(history.world.broken, None, "REPLICA_SEED={seed} tells this history");
        let state = history.world.controller.state();
        committed += history.world.committed.len();
        elections += state.leader_epoch.0;
        changes += state.partition_epoch;
        let states = history.world.controller.states.windows(2);
        reassignments += states.filter(|pair| !pair[0].adding.is_empty() && pair[1].adding.is_empty()).count();
    }
    println!(
        "{histories} histories: {committed} records committed, {elections} epochs, {changes} changes of the partition, {reassignments} of them ended a reassignment"
    );
    assert!(
        committed > usize::try_from(histories).unwrap() && i64::from(elections) > i64::try_from(histories).unwrap()
    );
}

#[test]
fn every_bug_that_is_put_in_is_found() {
    let most = number("REPLICA_HISTORIES").unwrap_or(1500) * 6;
    let mut missed = Vec::new();
    for &bug in Bug::VARIANTS {
        let found = (0..most).find_map(|seed| play(seed, Some(bug)).world.broken.map(|broken| (seed, broken)));
        match found {
            Some((seed, broken)) => println!("{bug:?}: seed {seed}: {broken}"),
            None => missed.push(bug),
        }
    }
    assert!(missed.is_empty(), "not found in {most} histories: {missed:?}");
}
