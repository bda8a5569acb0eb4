//! Which brokers are dead, told sooner than their sessions end (`barnabas.failure.detection=fast`): from what is heard of them and from what
//! comes of asking at their own listeners. Never believes one kind of evidence alone: silence needs a silent probe beside it, a broken
//! connection needs one that is refused or silent, and a successor that has its directories counts where nothing is heard. Decides only who is probed and who is dead; asks nobody and writes nothing.
//!
//! What each kind is worth. A heartbeat shows that the process runs and reaches this controller; an answered probe, that its listener
//! accepts and a data thread serves; a refused one that was sent after the connection broke, that no process listens there. A listener that
//! never answered while the broker was heard (a name that means something else here, a firewall) proves nothing, whether the heartbeats come
//! during the probes or between them, and such a broker is left to `broker.session.timeout.ms`. So is the silence of one that does not send [`PULSE_INTERVAL`] heartbeats: Apache Kafka's.

#[cfg(test)]
mod histories;
mod leader_watch;
#[cfg(test)]
mod tests;
mod watched;

use std::collections::BTreeMap;
use std::time::Duration;

use barnabas_types::{BrokerId, Uuid};

pub use leader_watch::{ASK_INTERVAL, LeaderSilence, LeaderWatch, WATCH_INTERVAL};
pub use watched::{Evidence, Finding, Lead};
use watched::{PROBE_INTERVAL, Watched};

use crate::BrokerRegistration;

/// The feature, at level 1, of a broker that lets the controller hear of it each [`PULSE_INTERVAL`]. It is registered only, never finalised: so every controller
/// knows from the metadata whose silence means something.
pub const PULSE_FEATURE: &str = "barnabas.pulse";
/// How often such a broker is heard of.
pub const PULSE_INTERVAL: Duration = Duration::from_millis(250);
/// How long one probe may take before it counts as silent.
pub const PROBE_TIMEOUT: Duration = Duration::from_millis(500);
/// How often somebody looks, at least, while there are brokers to look after.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Who has not looked for so long was itself asleep, and has to hear before it holds silence against anybody.
const OWN_STALL: Duration = Duration::from_millis(350);
/// Probes under way at once.
const MAX_PROBES: usize = 64;
/// While none of several brokers was in contact for so long, it is this node that is cut off.
const ALONE_AFTER: Duration = Duration::from_secs(1);

/// A registration, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedBroker {
    /// `node.id`.
    pub id: BrokerId,
    /// The epoch of the registration.
    pub epoch: i64,
    /// The process.
    pub incarnation_id: Uuid,
    /// True while it may lead nothing: its death changes nothing but who may register under its id.
    pub fenced: bool,
    /// True when it sends a heartbeat each [`PULSE_INTERVAL`].
    pub pulses: bool,
}

impl From<&BrokerRegistration> for WatchedBroker {
    fn from(broker: &BrokerRegistration) -> Self {
        Self {
            id: broker.id,
            epoch: broker.epoch,
            incarnation_id: broker.incarnation_id,
            fenced: broker.fenced,
            pulses: broker.features.iter().any(|feature| &*feature.name == PULSE_FEATURE && feature.max >= 1),
        }
    }
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// A broker answers; who it is, where it says so.
    Answered(Option<(BrokerId, Uuid)>),
    /// Nobody listens there.
    Refused,
    /// No answer within [`PROBE_TIMEOUT`], or no whole one.
    Silent,
    /// This node could not ask: that says nothing about the broker.
    NotAsked,
}

/// What the detector is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DetectorInput {
    /// This node decides from now on. `former` is who led the quorum before, if somebody else did and was lost.
    BecameActive {
        /// The leader before.
        former: Option<BrokerId>,
        /// Since when that was silent, where it was lost for its silence.
        silent_since: Option<Duration>,
    },
    /// This node decides no more.
    Resigned,
    /// The brokers of the metadata without the one in this process, each time they change.
    Brokers(Vec<WatchedBroker>),
    /// A heartbeat arrived.
    Heard {
        /// Of whom.
        broker: BrokerId,
        /// The epoch that it named.
        epoch: i64,
        /// By which connection.
        connection: u64,
    },
    /// A connection has ended.
    Ended {
        /// Which.
        connection: u64,
    },
    /// Another process wants to register under the id of a broker whose session has not ended.
    Contested {
        /// The broker.
        broker: BrokerId,
        /// True where the other process has all its directories.
        has_directories: bool,
    },
    /// A probe has come to something.
    Probed {
        /// Which.
        probe: u64,
        /// To what.
        outcome: ProbeOutcome,
    },
    /// It is time to look.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetectorEffect {
    /// Ask the broker at its listener, and say what came of it.
    Probe {
        /// The number of the probe.
        probe: u64,
        /// Whom.
        broker: BrokerId,
        /// The registration whose listeners are meant.
        epoch: i64,
    },
    /// The broker is dead.
    Fence {
        /// Who.
        broker: BrokerId,
        /// Which registration.
        epoch: i64,
        /// Why.
        evidence: Evidence,
    },
    /// The broker is heard, but its listener cannot be reached from here: its death will be known by its session timeout alone. Said once.
    Unreachable {
        /// Who.
        broker: BrokerId,
    },
}

/// See the module. Knows nobody while this node is not the active controller.
#[derive(Debug, Default)]
pub struct FailureDetector {
    active: bool,
    former: Option<BrokerId>,
    /// Since when its silence counts: this node listened for it before it decided.
    former_silent_since: Option<Duration>,
    brokers: BTreeMap<BrokerId, Watched>,
    /// Whom a probe under way is for.
    probes: BTreeMap<u64, BrokerId>,
    next_probe: u64,
    looked: Duration,
    /// Silence counts from here on at the earliest.
    hears_since: Duration,
    /// True while nobody is in contact.
    alone: bool,
}

impl FailureDetector {
    /// Takes one input at `now`, a clock that never goes back, and appends what is to be done.
    pub fn handle(&mut self, input: DetectorInput, now: Duration, effects: &mut Vec<DetectorEffect>) {
        let now = now.max(self.looked);
        if now - self.looked > OWN_STALL {
            self.hears_since = now;
            self.former_silent_since = None;
        }
        self.looked = now;
        match input {
            DetectorInput::BecameActive { former, silent_since } => {
                *self = Self {
                    active: true,
                    former,
                    former_silent_since: silent_since.filter(|_| former.is_some()),
                    looked: now,
                    hears_since: now,
                    next_probe: self.next_probe,
                    ..Self::default()
                };
            }
            DetectorInput::Resigned => *self = Self { looked: now, next_probe: self.next_probe, ..Self::default() },
            _ if !self.active => return,
            DetectorInput::Brokers(brokers) => self.brokers_are(brokers, now),
            DetectorInput::Heard { broker, epoch, connection } => {
                if let Some(watched) = self.watched(broker).filter(|watched| watched.epoch() == epoch) {
                    effects.extend(watched.heard(connection, now));
                }
            }
            DetectorInput::Ended { connection } => {
                self.brokers.values_mut().for_each(|watched| watched.connection_ended(connection, now));
            }
            DetectorInput::Contested { broker, has_directories } => {
                if let Some(watched) = self.watched(broker) {
                    watched.contested(has_directories, now);
                }
            }
            DetectorInput::Probed { probe, outcome } => {
                let (broker, since) = (self.probes.remove(&probe), self.hears_since);
                if let Some(watched) = broker.and_then(|broker| self.watched(broker)) {
                    effects.extend(watched.probed(probe, outcome, since, now));
                }
            }
            DetectorInput::Tick => {}
        }
        self.look(now, effects);
    }

    /// When to hand in a [`DetectorInput::Tick`], at the latest; None while there is nobody to look after.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let latest = self.looked + LOOK_INTERVAL;
        let probe = self.brokers.values().filter_map(|watched| watched.probe_due(self.hears_since, self.looked)).min();
        (!self.brokers.is_empty())
            .then(|| probe.map_or(latest, |due| due.clamp(self.looked + PROBE_INTERVAL / 4, latest)))
    }

    /// True while what was found of this registration stands: nothing was heard of the broker after that.
    #[must_use]
    pub fn is_dead(&self, broker: BrokerId, epoch: i64) -> bool {
        self.brokers.get(&broker).is_some_and(|watched| watched.epoch() == epoch && watched.is_dead())
    }

    fn watched(&mut self, broker: BrokerId) -> Option<&mut Watched> {
        self.brokers.get_mut(&broker)
    }

    fn brokers_are(&mut self, brokers: Vec<WatchedBroker>, now: Duration) {
        let mut before = std::mem::take(&mut self.brokers);
        let lost = self.former.zip(self.former_silent_since).filter(|_| before.is_empty());
        for broker in brokers {
            let known = before.remove(&broker.id).filter(|known| known.epoch() == broker.epoch);
            let watched = match known {
                Some(mut known) => {
                    known.update(broker);
                    known
                }
                None => match lost.filter(|(former, _)| *former == broker.id) {
                    Some((_, silent_since)) => Watched::lost(broker, silent_since, now),
                    None => Watched::new(broker, now),
                },
            };
            self.brokers.insert(broker.id, watched);
        }
    }

    /// Judges everybody, and asks whoever is to be asked.
    fn look(&mut self, now: Duration, effects: &mut Vec<DetectorEffect>) {
        self.find_out_whether_alone(now);
        let (hears_since, alone, former, lost_since) =
            (self.hears_since, self.alone, self.former, self.former_silent_since);
        for (&broker, watched) in &mut self.brokers {
            let since = lost_since.filter(|_| former == Some(broker)).unwrap_or(hears_since).min(hears_since);
            if let Some(evidence) = watched.judge(since, alone, former == Some(broker), now) {
                effects.push(DetectorEffect::Fence { broker, epoch: watched.epoch(), evidence });
            }
            if self.probes.len() < MAX_PROBES && watched.probe_due(since, now).is_some_and(|due| due <= now) {
                let probe = self.next_probe;
                self.next_probe += 1;
                self.probes.insert(probe, broker);
                watched.probe_sent(probe, now);
                effects.push(DetectorEffect::Probe { probe, broker, epoch: watched.epoch() });
            }
        }
    }

    /// Where several should be heard and none is, it is this node that hears nothing. When it hears again, everybody gets a whole time.
    fn find_out_whether_alone(&mut self, now: Duration) {
        let mut others = 0;
        let mut in_contact = false;
        for watched in self.brokers.values().filter(|watched| watched.should_be_heard()) {
            others += 1;
            in_contact |= now.saturating_sub(watched.contact(self.hears_since)) < ALONE_AFTER;
        }
        let alone = others > 1 && !in_contact;
        if std::mem::replace(&mut self.alone, alone) && !alone {
            self.hears_since = now;
        }
    }
}
