//! A whole quorum: machines with clocks, disks and processes, a network between them, clients and an operator, and what goes wrong. Plays
//! one event after the other and looks at every invariant after each. A seed determines all of it.

mod deeds;
mod machines;
mod messages;
mod watch;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use barnabas_raft::{Endpoint, ReplicaKey, RequestFailure};
use barnabas_types::Uuid;

use crate::deed::Deed;
use crate::dice::Dice;
use crate::figures::Figures;
use crate::invariants::{self, Invariant};
use crate::liveness;
use crate::network::{Network, Place, Weather};
use crate::observed::{Observed, Replica};
use crate::operator::Operator;
use crate::plan::Plan;
use crate::process::{Asker, HOST, Message};
use crate::random::{Concern, Random, Salt};
use crate::schedule::{Instant, Schedule};
use crate::script::Script;
use crate::seeded::Bug;
use crate::trace::Trace;
use crate::workload::AdminClient;
pub(crate) use machines::Machine;

/// The cluster's id.
pub const CLUSTER: &str = "c2ltdWxhdGVkLWNsdXN0ZXI";
/// The listener of every controller.
const LISTENER: &str = "CONTROLLER";
/// A history with more events than this goes round in circles.
const MOST_EVENTS: u64 = 400_000;

/// Something that happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// A message arrives: from where, and where.
    Arrive(Place, Place, Message),
    /// A replica's deadline.
    Tick { place: Place, life: u32 },
    /// A sync that was put off.
    Sync { place: Place, life: u32 },
    /// A request has got no answer for too long.
    NoAnswer(Asker, RequestFailure),
    /// A process starts again.
    Restart { place: Place, life: u32 },
    /// A client's turn; the number is what it had asked by then.
    Client { client: usize, number: u64 },
    /// The operator's turn.
    Operator,
    /// The operator waits no longer for its request.
    OperatorGivesUp(Asker),
    /// Something goes wrong.
    Fault,
    /// What a script names is done.
    Deed(Deed),
    /// The network is whole again.
    HealNetwork,
    /// Messages arrive again.
    FairWeather,
    /// A disk works again.
    HealDisk(Place),
    /// The faults stop.
    Calm,
    /// Does everybody agree?
    Look,
}

/// Why a history ended where it should not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What was violated: the name of an invariant, or of what else must hold.
    pub what: String,
    /// How.
    pub how: String,
}

/// A history's end.
#[derive(Debug)]
pub struct Outcome {
    /// What was wrong, if anything.
    pub violation: Option<Violation>,
    /// What happened.
    pub trace: Trace,
    /// How often.
    pub figures: Figures,
    /// How to play it again.
    pub script: Script,
}

/// See the module.
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) schedule: Schedule<Event>,
    pub(crate) network: Network,
    pub(crate) machines: Vec<Machine>,
    pub(crate) clients: Vec<AdminClient>,
    pub(crate) operator: Operator,
    pub(crate) observed: Observed,
    /// What draws the deeds; None where a script names them.
    dice: Option<Dice>,
    /// What was done.
    deeds: Vec<(Instant, Deed)>,
    salt: Salt,
    /// With whom the quorum was formatted.
    first_voters: Vec<ReplicaKey>,
    pub(crate) trace: Trace,
    pub(crate) figures: Figures,
    pub(crate) violation: Option<Violation>,
    pub(crate) bug: Option<Bug>,
    invariants: Vec<Box<dyn Invariant>>,
    calm_since: Option<Instant>,
    /// How much the clients had heard is done when the faults stopped.
    acknowledged_before: u64,
}

/// Where the controller of `place` listens.
#[must_use]
pub(crate) fn endpoint(place: Place) -> Endpoint {
    Endpoint { name: LISTENER.into(), host: format!("{HOST}{place}").into(), port: 9093 }
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words").to_owned()
}

impl World {
    /// The world of `seed`, with `bug` in its replicas.
    #[must_use]
    pub fn drawn(seed: u64, bug: Option<Bug>, trace: Trace) -> Self {
        let mut random = Random::new(seed);
        let (plan, salt) = (Plan::draw(&mut random.fork()), Salt(random.bits()));
        let mut world = Self::new(plan, salt, bug, trace);
        let dice = Dice::new(&mut random);
        if dice.voter_changes {
            world.schedule.plan_first(Instant(1_000_000), Event::Operator);
        }
        world.schedule.plan_first(Instant(400_000), Event::Fault);
        world.dice = Some(dice);
        world
    }

    /// The world of a script, with `bug` in its replicas.
    #[must_use]
    pub fn scripted(script: &Script, bug: Option<Bug>, trace: Trace) -> Self {
        let mut world = Self::new(script.plan.clone(), script.salt, bug, trace);
        for (at, deed) in &script.deeds {
            world.schedule.plan_first(*at, Event::Deed(deed.clone()));
        }
        world
    }

    fn new(plan: Plan, salt: Salt, bug: Option<Bug>, trace: Trace) -> Self {
        let first_client = plan.replicas();
        let client = |client: usize| {
            let stream = |concern| salt.stream(concern, client as u64, 0);
            let (random, turns) = (stream(Concern::Client), stream(Concern::Turns));
            AdminClient::new(first_client + client, random, turns, plan.brokers)
        };
        let mut world = Self {
            operator: Operator::new(first_client + plan.clients),
            schedule: Schedule::default(),
            network: Network::new(salt),
            machines: (0..plan.replicas()).map(|place| Machine::new(place, salt)).collect(),
            clients: (0..plan.clients).map(client).collect(),
            observed: Observed::default(),
            dice: None,
            deeds: Vec::new(),
            trace,
            figures: Figures::default(),
            violation: None,
            bug,
            invariants: invariants::all(),
            calm_since: None,
            acknowledged_before: 0,
            salt,
            first_voters: Vec::new(),
            plan,
        };
        world.build();
        world
    }

    /// Formats the machines and plans the beginning.
    fn build(&mut self) {
        self.observed.replicas = self.machines.iter().map(|machine| Replica::new(machine.key)).collect();
        let keys = self.machines.iter().map(|machine| machine.key);
        let voters: Vec<ReplicaKey> = keys.take(self.plan.voters).collect();
        self.first_voters.clone_from(&voters);
        if self.plan.kraft_version == 0 {
            let unknown = |voter: &ReplicaKey| ReplicaKey { directory_id: Uuid::ZERO, ..*voter };
            self.observed.configured = voters.iter().map(unknown).collect();
        }
        for place in 0..self.plan.replicas() {
            self.format(place, if place < self.plan.voters { &voters } else { &[] });
            let at = Instant(self.chance(Concern::FirstStart, place, 0).below(300_000));
            self.schedule.plan(at, Event::Restart { place, life: 0 });
        }
        if let (true, Some(client)) = (self.plan.raises_kraft_version, self.clients.first_mut()) {
            client.raise_kraft_version();
        }
        for (client, asker) in self.clients.iter_mut().enumerate() {
            self.schedule.plan(Instant(asker.turns.below(500_000)), Event::Client { client, number: 0 });
        }
        self.schedule.plan(self.plan.calm_at, Event::Calm);
    }

    /// What chance has for a concern of a machine's life.
    fn chance(&self, concern: Concern, place: Place, life: u32) -> Random {
        self.salt.stream(concern, place as u64, u64::from(life))
    }

    /// Plays until everybody agrees, or something is wrong.
    #[must_use]
    pub fn play(mut self) -> Outcome {
        while self.violation.is_none() && self.trace.events() < MOST_EVENTS {
            let Some(event) = self.schedule.take_next() else { break };
            match catch_unwind(AssertUnwindSafe(|| self.happen(event))) {
                Ok(is_complete) if is_complete => break,
                Ok(_) => {}
                Err(panic) => self.violate("no_panic", words(panic.as_ref())),
            }
        }
        if self.trace.events() >= MOST_EVENTS {
            self.violate("progress", format!("{MOST_EVENTS} events, and no end"));
        }
        self.close()
    }

    fn close(mut self) -> Outcome {
        let now = self.schedule.now();
        for (place, machine) in self.machines.iter().enumerate() {
            let mut hash = 0;
            machine.disk.visit(|path, bytes| {
                hash = crate::trace::digest_bytes(hash, path.as_os_str().as_encoded_bytes());
                hash = crate::trace::digest_bytes(hash, bytes);
            });
            self.trace.note(now, &[place as u64, hash], || format!("node {place}: the disk's hash is {hash:016x}"));
        }
        self.figures.add("milliseconds played", now.0 / 1000);
        self.figures.add("events", self.trace.events());
        self.figures.add("committed batches", self.observed.committed.len() as u64);
        self.figures.add("acknowledged", self.clients.iter().map(|client| client.acknowledged).sum());
        let violated = self.violation.as_ref().map_or_else(String::new, |violation| violation.what.clone());
        let Self { bug, salt, plan, deeds, violation, trace, figures, .. } = self;
        let script = Script { about: Vec::new(), bug, violated, salt, plan, deeds };
        Outcome { violation, trace, figures, script }
    }

    pub(crate) fn violate(&mut self, what: &str, how: String) {
        if self.violation.is_none() {
            self.trace.say(self.schedule.now(), || format!("VIOLATION of {what}: {how}"));
            self.violation = Some(Violation { what: what.to_owned(), how });
        }
    }

    pub(crate) const fn is_calm(&self) -> bool {
        self.calm_since.is_some()
    }

    pub(crate) fn machine_mut(&mut self, place: Place) -> Option<&mut Machine> {
        self.machines.get_mut(place)
    }

    /// Lets one event happen; true when the history is complete.
    fn happen(&mut self, event: Event) -> bool {
        match event {
            Event::Arrive(from, place, message) => self.arrive(from, place, message),
            Event::Tick { place, life } => self.tick(place, life),
            Event::Sync { place, life } => self.sync(place, life),
            Event::NoAnswer(asker, failure) => self.no_answer(asker, failure),
            Event::Restart { place, life } => self.restart(place, life),
            Event::Client { client, number } => self.client_turn(client, number),
            Event::Operator => self.operator_turn(),
            Event::OperatorGivesUp(asker) => {
                if self.operator.waits_for(asker) {
                    self.operator.give_up();
                }
            }
            Event::Fault => self.fault(),
            Event::Deed(deed) => self.attempt(deed),
            Event::HealNetwork => self.network.heal(),
            Event::FairWeather => self.network.set_weather(Weather::FAIR),
            Event::HealDisk(place) => {
                if let Some(machine) = self.machine_mut(place) {
                    machine.disk.heal();
                }
            }
            Event::Calm => self.calm(),
            Event::Look => return self.look(),
        }
        false
    }

    /// True once everybody agrees and clients are served again.
    fn look(&mut self) -> bool {
        let (now, since) = (self.schedule.now(), self.calm_since.unwrap_or_default());
        let acknowledged: u64 = self.clients.iter().map(|client| client.acknowledged).sum();
        let disagreement = match liveness::disagreement(self) {
            Some(disagreement) => disagreement,
            None if acknowledged > self.acknowledged_before => {
                self.figures.add("milliseconds until all agreed", (now.0 - since.0) / 1000);
                if let Err(lost) = self.check_clients() {
                    self.violate("acknowledged_is_kept", lost);
                }
                return true;
            }
            None => "no client was served".to_owned(),
        };
        if now > since.after(self.plan.agree_within_micros) {
            let seconds = self.plan.agree_within_micros / 1_000_000;
            self.violate("liveness", format!("{seconds} s after the faults stopped: {disagreement}"));
            return true;
        }
        // Voters go on being changed; to look often costs more than it finds.
        self.schedule.plan(now.after(300_000), Event::Look);
        false
    }

    /// True once the faults have stopped and clients were served a few times since.
    pub(crate) fn has_served_enough(&self) -> bool {
        let acknowledged: u64 = self.clients.iter().map(|client| client.acknowledged).sum();
        self.is_calm() && acknowledged > self.acknowledged_before + 3
    }

    /// Holds every image against what the clients were told.
    fn check_clients(&self) -> Result<(), String> {
        let mut processes = self.machines.iter().filter_map(|machine| machine.process.as_ref());
        let raised = self.clients.iter().any(AdminClient::has_raised_kraft_version);
        processes.try_for_each(|process| {
            if raised && process.driver.node().control().kraft_version() == 0 {
                return Err("kraft.version is 0 again, contrary to what was acknowledged".to_owned());
            }
            self.clients.iter().try_for_each(|client| client.check(process.image()))
        })
    }
}
