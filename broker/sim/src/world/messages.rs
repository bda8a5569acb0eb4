//! What travels between machines, clients and operator: sent, lost, delivered, answered.

use barnabas_raft::{Request, RequestFailure};

use super::{Event, World};
use crate::admin::Told;
use crate::broker::life_of;
use crate::network::Place;
use crate::process::{Action, Asker, Client, Message, Process};

/// After how long without an answer a request has failed, in microseconds. A broker's connection gives up then.
const NO_ANSWER_MICROS: u64 = 2_000_000;
/// How long it takes to learn that nobody listens, in microseconds.
const REFUSED_MICROS: u64 = 300;
/// How long a client waits, in microseconds.
const CLIENT_PATIENCE_MICROS: u64 = 1_500_000;

impl World {
    /// Does what a process wants done, and plans when it acts next.
    pub(super) fn follow_up(&mut self, place: Place) {
        let now = self.schedule.now();
        let Some(machine) = self.machines.get_mut(place) else { return };
        let Some(process) = &mut machine.process else { return };
        let actions = process.take_actions();
        let (life, wants_sync) = (process.life, process.driver.wants_sync());
        // What is sent leaves when the disk is done.
        let done = machine.idle_until(now).unwrap_or(now);
        if wants_sync && !machine.sync_planned {
            machine.sync_planned = true;
            let at = done.after(machine.syncs.below(self.plan.sync_micros) + 20);
            self.schedule.plan(at, Event::Sync { place, life });
        }
        if let Some(at) = machine.deadline()
            && machine.tick_planned.is_none_or(|planned| at < planned)
        {
            machine.tick_planned = Some(at);
            self.schedule.plan(at, Event::Tick { place, life });
        }
        for action in actions {
            match action {
                Action::Send(to, message) => self.send(place, to, message, done),
                Action::Applied { offset, image, from_snapshot } => self.applied(place, offset, image, from_snapshot),
                Action::Acknowledged { end, epoch } => self.acknowledged(place, end, epoch),
                Action::Installed(id) => self.installed(place, id),
                Action::SnapshotTaken(id) => self.snapshot_taken(place, id),
                Action::Learnt(news) => self.learnt(place, news),
            }
        }
    }

    /// Puts a message on its way.
    pub(super) fn send(&mut self, from: Place, to: Place, message: Message, at: crate::schedule::Instant) {
        if let Message::Request { from: asker, .. } = &message
            && from < self.machines.len()
        {
            self.schedule.plan(at.after(NO_ANSWER_MICROS), Event::NoAnswer(*asker, RequestFailure::Unreachable));
        }
        let arrivals = self.network.deliveries(at, from, to);
        // Connections double nothing; what replicas say to each other must bear it, and does.
        let doubles = matches!(message, Message::Request { .. } | Message::Answer { .. }) && from < self.machines.len();
        for at in arrivals.into_iter().take(if doubles { 2 } else { 1 }) {
            self.on_its_way(from, 1);
            self.schedule.plan(at, Event::Arrive(from, to, message.clone()));
        }
    }

    /// So many messages more of `from` have not arrived.
    fn on_its_way(&mut self, from: Place, more: i64) {
        self.machine_mut(from).into_iter().for_each(|machine| machine.on_their_way += more);
    }

    pub(super) fn arrive(&mut self, from: Place, place: Place, message: Message) {
        let now = self.schedule.now();
        if let Some(until) = self.machines.get(place).and_then(|machine| machine.idle_until(now)) {
            self.schedule.plan(until, Event::Arrive(from, place, message));
            return;
        }
        self.on_its_way(from, -1);
        match &message {
            Message::Told { client, told } if place >= self.machines.len() => return self.hear(*client, *told),
            Message::Ask { client, .. } if !self.waits(*client) => return,
            Message::Answer { to, response, .. } if place >= self.machines.len() => {
                if self.operator.hear(*to, response) {
                    self.figures.count("voter changes done");
                }
                self.trace.say(now, || format!("operator hears {response:?}"));
                return;
            }
            Message::Answer { to, .. } if !self.lives(*to) => return,
            // The kernel of a machine whose process has ended says so.
            Message::Request { from, .. }
                if self.machines.get(place).is_some_and(|machine| machine.process.is_none()) =>
            {
                if !self.network.is_cut(place, from.place) {
                    let at = now.after(REFUSED_MICROS);
                    self.schedule.plan(at, Event::NoAnswer(*from, RequestFailure::Refused));
                }
                return;
            }
            Message::Request { from, request } if !self.may_arrive(*from, request) => return,
            Message::Answer { .. } | Message::Request { .. } | Message::Ask { .. } | Message::Told { .. } => {}
        }
        self.trace.say(now, || format!("node {place} <- {}", summary(&message)));
        self.run(place, |process, now| process.receive(message, now));
    }

    /// True while somebody waits for the answer.
    fn waits(&self, client: Client) -> bool {
        match self.machines.get(client.place) {
            Some(broker) => broker.process.is_some() && u64::from(broker.life) == life_of(client.number),
            None => self.clients.iter().any(|asker| asker.waits_for(client)),
        }
    }

    /// True while the process that asked is the one that runs.
    fn lives(&self, asker: Asker) -> bool {
        self.machines.get(asker.place).is_some_and(|machine| machine.process.is_some() && machine.life == asker.life)
    }

    /// A change of the voters is not taken from a connection that has ended: whoever asked for it counts on that. Other requests may come from
    /// the dead.
    fn may_arrive(&self, from: Asker, request: &Request) -> bool {
        match request {
            Request::AddVoter(_) | Request::RemoveVoter(_) | Request::UpdateVoter(_) => {
                self.lives(from) || self.operator.waits_for(from)
            }
            _ => true,
        }
    }

    pub(super) fn tick(&mut self, place: Place, life: u32) {
        let now = self.schedule.now();
        let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.life == life) else { return };
        if let Some(until) = machine.idle_until(now) {
            self.schedule.plan(until, Event::Tick { place, life });
            return;
        }
        machine.tick_planned = None;
        match machine.deadline() {
            Some(at) if at <= now => _ = self.run(place, Process::tick),
            Some(at) => {
                machine.tick_planned = Some(at);
                self.schedule.plan(at, Event::Tick { place, life });
            }
            None => {}
        }
    }

    pub(super) fn sync(&mut self, place: Place, life: u32) {
        let now = self.schedule.now();
        let Some(machine) = self.machines.get_mut(place).filter(|machine| machine.life == life) else { return };
        if let Some(until) = machine.idle_until(now) {
            self.schedule.plan(until, Event::Sync { place, life });
            return;
        }
        machine.sync_planned = false;
        self.run(place, Process::sync);
    }

    pub(super) fn no_answer(&mut self, asker: Asker, failure: RequestFailure) {
        if self.lives(asker) {
            let now = self.schedule.now();
            if let Some(until) = self.machines.get(asker.place).and_then(|machine| machine.idle_until(now)) {
                self.schedule.plan(until, Event::NoAnswer(asker, failure));
                return;
            }
            self.run(asker.place, |process, now| process.request_failed(asker.id, failure, now));
        }
    }

    /// A client asks, or asks again what has got no answer.
    pub(super) fn client_turn(&mut self, client: usize, number: u64) {
        let (now, leader) = (self.schedule.now(), self.leader());
        // Nobody catches up with clients that never rest.
        if self.has_served_enough() {
            return;
        }
        let controllers = self.plan.controllers() as u64;
        let Some(asker) = self.clients.get_mut(client).filter(|asker| asker.number() == number) else { return };
        let brokers = self.plan.brokers as u64;
        let to = match leader {
            _ if brokers > 0 && asker.turns.chance(400) => {
                usize::try_from(controllers + asker.turns.below(brokers)).unwrap_or(0)
            }
            Some(leader) if asker.turns.chance(800) => leader,
            _ => usize::try_from(asker.turns.below(controllers)).unwrap_or(0),
        };
        let Some((from, ask)) = asker.ask() else { return };
        self.trace.note(now, &[300, from.place as u64, from.number, to as u64], || {
            format!("client {} -> node {to}: {ask:?}", from.place)
        });
        self.schedule.plan(now.after(CLIENT_PATIENCE_MICROS), Event::Client { client, number: from.number });
        self.send(from.place, to, Message::Ask { client: from, ask }, now);
    }

    fn hear(&mut self, heard: Client, told: Told) {
        let now = self.schedule.now();
        let index = heard.place.saturating_sub(self.machines.len());
        let Some(client) = self.clients.get_mut(index).filter(|client| client.waits_for(heard)) else { return };
        let settled = client.hear(heard, told);
        let pause = if settled { client.turns.below(self.plan.think_micros) } else { 30_000 };
        self.trace.say(now, || format!("client {} hears {told:?}", heard.place));
        self.schedule.plan(now.after(pause + 1_000), Event::Client { client: index, number: heard.number });
    }
}

fn summary(message: &Message) -> String {
    match message {
        Message::Request { from, request } => format!("node {}: {request:?}", from.place),
        Message::Answer { response, bytes, .. } => format!("{response:?} with {} bytes", bytes.len()),
        Message::Ask { client, ask } => format!("client {}: {ask:?}", client.place),
        Message::Told { told, .. } => format!("{told:?}"),
    }
}
