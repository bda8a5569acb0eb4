//! A whole quorum: machines with clocks, disks and processes, a network between them, clients and an operator, and what goes wrong. Plays
//! one event after the other and looks at every invariant after each. A seed determines all of it.

mod machines;
mod messages;
mod watch;

use barnabas_raft::{Endpoint, ReplicaKey};
use barnabas_types::{BrokerId, Uuid};

use crate::figures::Figures;
use crate::invariants::{self, Invariant};
use crate::liveness;
use crate::network::{Network, Place, Weather};
use crate::observed::{Observed, Replica};
use crate::operator::Operator;
use crate::plan::Plan;
use crate::process::{Asker, HOST, Message, Process};
use crate::random::Random;
use crate::schedule::{Instant, Schedule};
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
    /// A message arrives.
    Arrive(Place, Message),
    /// A replica's deadline.
    Tick { place: Place, life: u32 },
    /// A sync that was put off.
    Sync { place: Place, life: u32 },
    /// A request has got no answer for too long.
    NoAnswer(Asker),
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
}

/// A source of chance for each concern.
#[derive(Debug)]
pub(crate) struct Chances {
    pub(crate) faults: Random,
    pub(crate) machines: Random,
    pub(crate) clients: Random,
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
    pub(crate) random: Chances,
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

impl World {
    /// The world of `seed`, with `bug` in its replicas.
    #[must_use]
    pub fn new(seed: u64, bug: Option<Bug>, trace: Trace) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::new(&mut random.fork());
        let chances = Chances { faults: random.fork(), machines: random.fork(), clients: random.fork() };
        let (network, operator) = (Network::new(random.fork()), random.fork());
        let first_client = plan.replicas();
        let clients = (0..plan.clients).map(|client| AdminClient::new(first_client + client, random.fork())).collect();
        let mut world = Self {
            operator: Operator::new(first_client + plan.clients, operator),
            schedule: Schedule::default(),
            network,
            machines: Vec::new(),
            clients,
            observed: Observed::default(),
            random: chances,
            trace,
            figures: Figures::default(),
            violation: None,
            bug,
            invariants: invariants::all(),
            calm_since: None,
            acknowledged_before: 0,
            plan,
        };
        world.build();
        world
    }

    /// Formats the machines and plans the beginning.
    fn build(&mut self) {
        for place in 0..self.plan.replicas() {
            let key = self.new_key(place);
            self.observed.replicas.push(Replica::new(key));
            let machine = Machine::new(key, &mut self.random.machines);
            self.machines.push(machine);
        }
        let voters: Vec<ReplicaKey> =
            self.observed.replicas.iter().take(self.plan.voters).map(|replica| replica.key).collect();
        for place in 0..self.plan.replicas() {
            self.format(place, if place < self.plan.voters { &voters } else { &[] });
            let at = Instant(self.random.machines.below(300_000));
            self.schedule.plan(at, Event::Restart { place, life: 0 });
        }
        for client in 0..self.clients.len() {
            self.schedule.plan(Instant(self.random.clients.below(500_000)), Event::Client { client, number: 0 });
        }
        if self.plan.voter_changes {
            self.schedule.plan(Instant(1_000_000), Event::Operator);
        }
        self.schedule.plan(Instant(400_000), Event::Fault);
        self.schedule.plan(self.plan.calm_at, Event::Calm);
    }

    /// A key for a new disk.
    pub(crate) fn new_key(&mut self, place: Place) -> ReplicaKey {
        let directory_id = Uuid::from_random(self.random.machines.wide_bits().to_be_bytes());
        ReplicaKey { id: BrokerId(i32::try_from(place).unwrap_or(i32::MAX)), directory_id }
    }

    /// Plays until everybody agrees, or something is wrong.
    #[must_use]
    pub fn play(mut self) -> Outcome {
        while self.violation.is_none() && self.trace.events() < MOST_EVENTS {
            let Some(event) = self.schedule.take_next() else { break };
            if self.happen(event) {
                break;
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
        Outcome { violation: self.violation, trace: self.trace, figures: self.figures }
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
            Event::Arrive(place, message) => self.arrive(place, message),
            Event::Tick { place, life } => self.tick(place, life),
            Event::Sync { place, life } => self.sync(place, life),
            Event::NoAnswer(asker) => self.no_answer(asker),
            Event::Restart { place, life } => self.restart(place, life),
            Event::Client { client, number } => self.client_turn(client, number),
            Event::Operator => self.operator_turn(),
            Event::OperatorGivesUp(asker) => {
                if self.operator.waits_for(asker) {
                    self.operator.give_up();
                }
            }
            Event::Fault => self.fault(),
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

    /// The faults stop: all machines run, all messages arrive, all disks work.
    fn calm(&mut self) {
        let now = self.schedule.now();
        self.calm_since = Some(now);
        self.network.heal();
        self.network.set_weather(Weather::FAIR);
        for place in 0..self.machines.len() {
            let Some(machine) = self.machine_mut(place) else { continue };
            machine.disk.heal();
            machine.wake(now);
            if let (true, life) = (machine.process.is_none(), machine.life) {
                self.schedule.plan(now, Event::Restart { place, life });
            }
        }
        self.acknowledged_before = self.clients.iter().map(|client| client.acknowledged).sum();
        self.trace.note(now, &[200], || "calm: nothing goes wrong any more".to_owned());
        self.schedule.plan(now.after(1_000_000), Event::Look);
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
        let images = self.machines.iter().filter_map(|machine| machine.process.as_ref()).map(Process::image);
        images.into_iter().try_for_each(|image| self.clients.iter().try_for_each(|client| client.check(image)))
    }
}
