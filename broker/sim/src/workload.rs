//! Admin clients: each makes topics of its own, changes and removes them, asks until it hears that something is done, and remembers what
//! it heard. What it never heard the end of it leaves alone from then on.

use std::collections::BTreeMap;

use barnabas_metadata::{ConfigResource, Image};

use crate::admin::{Ask, KEY, Told};
use crate::network::Place;
use crate::process::Client;
use crate::random::Random;

/// Brokers that partitions may be placed on; they need no process for that.
const BROKERS: [i32; 2] = [1000, 1001];
/// So many topics of one client exist at a time.
const TOPICS: usize = 6;
/// After so many questions without an answer a client gives up.
const PATIENCE: u32 = 12;

/// A topic as its client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Topic {
    value: Option<u64>,
    partitions: i32,
}

/// See the module.
#[derive(Debug)]
pub struct AdminClient {
    place: Place,
    random: Random,
    /// Chance for when it asks, and whom.
    pub turns: Random,
    /// None: it was removed.
    topics: BTreeMap<String, Option<Topic>>,
    registered: usize,
    /// `kraft.version` is to be raised, or was.
    raises: Option<Raised>,
    made: u64,
    number: u64,
    open: Option<Open>,
    /// What was done.
    pub acknowledged: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Raised {
    Wanted,
    Done,
}

#[derive(Debug)]
struct Open {
    ask: Ask,
    asked: u32,
}

impl AdminClient {
    /// A client at `place`. Where there are brokers it pretends none.
    #[must_use]
    pub const fn new(place: Place, random: Random, turns: Random, brokers: usize) -> Self {
        let registered = if brokers > 0 { BROKERS.len() } else { 0 };
        let topics = BTreeMap::new();
        Self { place, random, turns, topics, registered, raises: None, made: 0, number: 0, open: None, acknowledged: 0 }
    }

    /// Lets it raise `kraft.version` some time.
    pub const fn raise_kraft_version(&mut self) {
        self.raises = Some(Raised::Wanted);
    }

    /// True once it has heard that `kraft.version` is 1.
    #[must_use]
    pub fn has_raised_kraft_version(&self) -> bool {
        self.raises == Some(Raised::Done)
    }

    /// The request that it waits for, if `client` is it.
    #[must_use]
    pub fn waits_for(&self, client: Client) -> bool {
        self.open.is_some() && (client.place, client.number) == (self.place, self.number)
    }

    /// The number of its newest request.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// What it asks next. A question that is open is asked again, on another connection.
    pub fn ask(&mut self) -> Option<(Client, Ask)> {
        if self.open.as_ref().is_some_and(|open| open.asked >= PATIENCE) {
            self.give_up();
        }
        let ask = match &mut self.open {
            Some(open) => {
                open.asked += 1;
                open.ask.clone()
            }
            None => {
                let ask = self.choose();
                self.open = Some(Open { ask: ask.clone(), asked: 1 });
                ask
            }
        };
        self.number += 1;
        Some((Client { place: self.place, number: self.number, via: None }, ask))
    }

    fn choose(&mut self) -> Ask {
        if let Some(&broker) = BROKERS.get(self.registered) {
            return Ask::Pretend(broker);
        }
        if self.raises == Some(Raised::Wanted) && self.acknowledged > 5 {
            return Ask::RaiseKRaftVersion;
        }
        let existing: Vec<String> =
            self.topics.iter().filter(|(_, topic)| topic.is_some()).map(|(name, _)| name.clone()).collect();
        let choice = self.random.below(10);
        match self.random.pick(&existing) {
            Some(name) if existing.len() >= TOPICS || choice >= 4 => match choice {
                0..=6 => Ask::Configure(name, self.random.below(1 << 20)),
                7 => {
                    let partitions =
                        self.topics.get(&name).and_then(Option::as_ref).map_or(1, |topic| topic.partitions);
                    if partitions < 4 { Ask::Grow(name, partitions + 1) } else { Ask::Delete(name) }
                }
                _ => Ask::Delete(name),
            },
            _ => {
                self.made += 1;
                Ask::Create(format!("client-{}-topic-{}", self.place, self.made))
            }
        }
    }

    /// Nobody knows whether it was done: the topic counts for nothing from now on.
    fn give_up(&mut self) {
        if let Some(Open {
            ask: Ask::Create(name) | Ask::Configure(name, _) | Ask::Grow(name, _) | Ask::Delete(name),
            ..
        }) = self.open.take()
        {
            self.topics.remove(&name);
        }
    }

    /// Hears an answer; true when the question is settled.
    pub fn hear(&mut self, client: Client, told: Told) -> bool {
        if !self.waits_for(client) || matches!(told, Told::Again | Told::NotController) {
            return false;
        }
        let Some(Open { ask, asked }) = self.open.take() else { return false };
        if told == Told::Refused {
            // Because of what it asked before, or by a leader that does not know yet that it is one no more: nothing is sure.
            if asked > 1 {
                self.open = Some(Open { ask, asked });
                self.give_up();
            }
            return true;
        }
        self.acknowledged += 1;
        match ask {
            Ask::Pretend(_) => self.registered += 1,
            Ask::Register { .. } | Ask::Heartbeat { .. } => {}
            Ask::Create(name) => _ = self.topics.insert(name, Some(Topic { value: None, partitions: 1 })),
            Ask::Delete(name) => _ = self.topics.insert(name, None),
            Ask::Configure(name, value) => {
                if let Some(Some(topic)) = self.topics.get_mut(&name) {
                    topic.value = Some(value);
                }
            }
            Ask::Grow(name, count) => {
                if let Some(Some(topic)) = self.topics.get_mut(&name) {
                    topic.partitions = count;
                }
            }
            Ask::RaiseKRaftVersion => self.raises = Some(Raised::Done),
        }
        true
    }

    /// Holds an image against what was acknowledged.
    ///
    /// # Errors
    /// What is missing or should not be there.
    pub fn check(&self, image: &Image) -> Result<(), String> {
        let open = match &self.open {
            Some(Open {
                ask: Ask::Create(name) | Ask::Configure(name, _) | Ask::Grow(name, _) | Ask::Delete(name),
                ..
            }) => Some(name),
            _ => None,
        };
        for (name, expected) in self.topics.iter().filter(|(name, _)| Some(*name) != open) {
            let found = image.topics.named(name);
            let (Some(topic), Some(found)) = (expected, found) else {
                if expected.is_some() != found.is_some() {
                    let what = if expected.is_some() { "is missing" } else { "is there again" };
                    return Err(format!("topic {name} {what}, contrary to what was acknowledged"));
                }
                continue;
            };
            let partitions = found.partitions.len();
            if partitions != usize::try_from(topic.partitions).unwrap_or(0) {
                return Err(format!(
                    "topic {name} has {partitions} partitions, {} were acknowledged",
                    topic.partitions
                ));
            }
            let value = image.configs.value(&ConfigResource::topic(name.as_str()), KEY);
            if value != topic.value.map(|value| value.to_string()).as_deref() {
                return Err(format!("topic {name} has {KEY} {value:?}, {:?} was acknowledged", topic.value));
            }
        }
        Ok(())
    }
}
