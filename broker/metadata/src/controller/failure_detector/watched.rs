//! What is known of one broker, when it is asked, and what follows from that. Knows no other broker.

use std::time::Duration;

use super::{DetectorEffect, PROBE_TIMEOUT, ProbeOutcome, WatchedBroker};

/// Two heartbeats that did not come: time to ask.
const SUSPECT_AFTER: Duration = Duration::from_millis(500);
/// Nothing heard and nothing answered for so long, and it is dead. Three times the longest stall that may go unpunished, nearly.
const DEAD_AFTER: Duration = Duration::from_millis(1400);
/// For so long it has been asked by then, at least: longer than one probe takes.
const ASKED_FOR: Duration = Duration::from_millis(700);
/// The same of a leader whom the quorum has lost for its silence.
const LOST_ASKED_FOR: Duration = Duration::from_millis(250);
/// How long until who does not answer is asked again.
pub(super) const PROBE_INTERVAL: Duration = Duration::from_millis(100);
/// How long a new controller hears, before a refused probe is evidence against who sends a heartbeat each quarter of a second.
const HEARING: Duration = Duration::from_millis(500);
/// The same for Apache Kafka's, each two seconds.
const SLOW_HEARING: Duration = Duration::from_secs(3);
/// How long until a listener that proves nothing is tried again: from, up to.
const UNPROVEN_RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(32));
/// A listener that was tried in vain for so long is spoken of.
const UNREACHABLE_AFTER: Duration = Duration::from_secs(8);

/// Why a broker was asked at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// The connection by which it was heard last has ended.
    Broken,
    /// Its heartbeats are missing.
    Missing,
    /// Its new controller has not heard of it yet.
    Unheard,
}

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nobody listens at its address.
    Refused,
    /// Another process does.
    OtherProcess,
    /// No answer, again and again.
    Silent,
    /// Another process has its directories, which one process alone can lock, and wants to be this broker.
    Succeeded,
}

/// What shows that a broker is dead: always two kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The first.
    pub lead: Lead,
    /// The second.
    pub finding: Finding,
    /// For how long nothing was heard of it.
    pub silent: Duration,
}

impl std::fmt::Display for Evidence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lead = match self.lead {
            Lead::Broken => "its connection broke",
            Lead::Missing => "its heartbeats are missing",
            Lead::Unheard => "its new controller has not heard of it",
        };
        let finding = match self.finding {
            Finding::Refused => "nobody listens at its address",
            Finding::OtherProcess => "another process answers at its address",
            Finding::Silent => "nobody answers at its address",
            Finding::Succeeded => "another process has its directories",
        };
        write!(formatter, "{lead}, and {finding} ({} ms since the last sign of life)", self.silent.as_millis())
    }
}

/// What the broker's listener is worth as evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listener {
    /// Not known yet; true when it has not answered once, which may have been a stall.
    Untried(bool),
    /// It has answered.
    Proven,
    /// It did not answer although the broker was heard.
    Worthless { retry: Duration, tried_for: Duration, told: bool },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Watched {
    broker: WatchedBroker,
    /// Since when it is looked after.
    since: Duration,
    heard: Option<Duration>,
    /// By which connection.
    connection: Option<u64>,
    /// When that connection has ended; None once something was heard since.
    broken: Option<Duration>,
    answered: Option<Duration>,
    listener: Listener,
    /// Its number, and when it left.
    probe: Option<(u64, Duration)>,
    probe_not_before: Duration,
    /// Since when it is asked in vain.
    asked_since: Option<Duration>,
    /// What the last probe found, and when that left; None unless it was refused or answered by another.
    gone: Option<(Finding, Duration)>,
    /// Somebody wants it looked at.
    wanted: bool,
    /// Another process has its directories, and nothing was heard since.
    succeeded: bool,
    dead_since: Option<Duration>,
}

impl Watched {
    pub(super) const fn new(broker: WatchedBroker, now: Duration) -> Self {
        Self {
            broker,
            since: now,
            heard: None,
            connection: None,
            broken: None,
            answered: None,
            listener: Listener::Untried(false),
            probe: None,
            probe_not_before: now,
            asked_since: None,
            gone: None,
            wanted: false,
            succeeded: false,
            dead_since: None,
        }
    }

    /// That of the former leader, which the quorum has lost because it was silent. So it was asked in vain before; this controller asks it,
    /// too, for a shorter time.
    pub(super) fn lost(broker: WatchedBroker, silent_since: Duration, now: Duration) -> Self {
        let asked_since = now.saturating_sub(ASKED_FOR.saturating_sub(LOST_ASKED_FOR)).max(silent_since);
        Self { since: silent_since, asked_since: Some(asked_since), probe_not_before: now, ..Self::new(broker, now) }
    }

    pub(super) const fn epoch(&self) -> i64 {
        self.broker.epoch
    }

    pub(super) const fn is_dead(&self) -> bool {
        self.dead_since.is_some()
    }

    /// The metadata says something new of the same registration.
    pub(super) const fn update(&mut self, broker: WatchedBroker) {
        self.broker = broker;
    }

    pub(super) fn heard(&mut self, connection: u64, now: Duration) -> Option<DetectorEffect> {
        (self.heard, self.connection, self.broken) = (Some(now), Some(connection), None);
        let gone = self.gone.take();
        (self.asked_since, self.dead_since) = (None, None);
        self.succeeded = false;
        // One that is fenced may not have opened its listeners yet.
        let (_, asked) = gone.filter(|_| !self.broker.fenced)?;
        self.is_alive_all_the_same(asked, now)
    }

    pub(super) fn connection_ended(&mut self, connection: u64, now: Duration) {
        if self.connection == Some(connection) {
            (self.connection, self.broken) = (None, Some(now));
            self.probe_not_before = now;
        }
    }

    pub(super) const fn contested(&mut self, has_directories: bool, now: Duration) {
        (self.wanted, self.probe_not_before) = (true, now);
        self.succeeded |= has_directories;
    }

    /// True for one that is let in and whose silence would mean something.
    pub(super) const fn should_be_heard(&self) -> bool {
        self.broker.pulses && !self.broker.fenced && !matches!(self.listener, Listener::Worthless { .. })
    }

    /// When there was the last sign that the way to its host and back is open.
    pub(super) fn contact(&self, hears_since: Duration) -> Duration {
        self.alive(hears_since).max(self.gone.map_or(Duration::ZERO, |(_, asked)| asked))
    }

    /// When it was heard, or its silence began to count.
    fn heartbeat(&self, hears_since: Duration) -> Duration {
        self.heard.unwrap_or(self.since).max(self.since).max(hears_since)
    }

    /// When it was heard or has answered, or its silence began to count.
    fn alive(&self, hears_since: Duration) -> Duration {
        self.heartbeat(hears_since).max(self.answered.unwrap_or_default())
    }

    /// Why it should be asked, beside that somebody wants it.
    fn lead(&self, hears_since: Duration, now: Duration) -> Option<Lead> {
        let missing = self.broker.pulses && now.saturating_sub(self.heartbeat(hears_since)) >= SUSPECT_AFTER;
        match self.broker.fenced {
            _ if self.broken.is_some() => Some(Lead::Broken),
            true if !self.succeeded => None,
            _ if self.heard.is_none() => Some(Lead::Unheard),
            _ => missing.then_some(Lead::Missing),
        }
    }

    /// When it is to be asked; None while there is no reason to.
    pub(super) fn probe_due(&self, hears_since: Duration, now: Duration) -> Option<Duration> {
        let is_tried = self.listener == Listener::Proven || self.broker.fenced;
        let wanted = self.wanted || !is_tried || self.lead(hears_since, now).is_some();
        (wanted && self.probe.is_none() && self.dead_since.is_none()).then_some(self.probe_not_before)
    }

    pub(super) const fn probe_sent(&mut self, probe: u64, now: Duration) {
        (self.probe, self.wanted) = (Some((probe, now)), false);
    }

    pub(super) fn probed(
        &mut self,
        probe: u64,
        outcome: ProbeOutcome,
        hears_since: Duration,
        now: Duration,
    ) -> Option<DetectorEffect> {
        let (_, asked) = self.probe.take_if(|(number, _)| *number == probe)?;
        let finding = match outcome {
            ProbeOutcome::NotAsked => {
                (self.asked_since, self.probe_not_before) = (None, now + PROBE_TIMEOUT);
                return None;
            }
            ProbeOutcome::Answered(Some(who)) if who != (self.broker.id, self.broker.incarnation_id) => {
                Finding::OtherProcess
            }
            ProbeOutcome::Answered(_) => {
                (self.answered, self.listener) = (Some(now), Listener::Proven);
                (self.asked_since, self.gone, self.dead_since) = (None, None, None);
                self.succeeded = false;
                self.probe_not_before = now + 2 * PROBE_INTERVAL;
                return None;
            }
            ProbeOutcome::Refused => Finding::Refused,
            ProbeOutcome::Silent => Finding::Silent,
        };
        self.probe_not_before = now + PROBE_INTERVAL;
        if finding == Finding::Silent && asked < hears_since {
            // It is this node that slept meanwhile.
            return None;
        }
        if self.heard.is_some_and(|heard| heard > asked) {
            return self.is_alive_all_the_same(asked, now);
        }
        self.asked_since.get_or_insert(asked);
        self.gone = (finding != Finding::Silent).then_some((finding, asked));
        if self.broken.is_some_and(|broken| broken > asked) {
            // What was so before its connection broke has to be asked for again.
            self.probe_not_before = now;
        }
        None
    }

    /// Its listener did not answer, and it was heard meanwhile or after that.
    fn is_alive_all_the_same(&mut self, asked: Duration, now: Duration) -> Option<DetectorEffect> {
        let (first, longest) = UNPROVEN_RETRY;
        let (retry, tried_for, told) = match self.listener {
            Listener::Proven => return None,
            Listener::Untried(false) => {
                self.listener = Listener::Untried(true);
                return None;
            }
            Listener::Untried(true) => (first, Duration::ZERO, false),
            Listener::Worthless { retry, tried_for, told } => ((2 * retry).min(longest), tried_for + retry, told),
        };
        let tell = tried_for >= UNREACHABLE_AFTER && !told;
        self.listener =
            Listener::Worthless { retry, tried_for: tried_for + now.saturating_sub(asked), told: told || tell };
        self.probe_not_before = now + retry;
        tell.then_some(DetectorEffect::Unreachable { broker: self.broker.id })
    }

    /// What shows that it is dead, once it is shown.
    pub(super) fn judge(
        &mut self,
        hears_since: Duration,
        alone: bool,
        was_leader: bool,
        now: Duration,
    ) -> Option<Evidence> {
        // Once is enough for one that is fenced; else whoever was to write it down may have lost it.
        let again = |since| !self.broker.fenced && now.saturating_sub(since) >= DEAD_AFTER;
        if self.dead_since.is_some_and(|since| !again(since)) {
            return None;
        }
        let lead = self.lead(hears_since, now)?;
        let finding = match self.gone {
            _ if self.succeeded && self.has_heard_long_enough(lead, hears_since, now) => Finding::Succeeded,
            _ if matches!(self.listener, Listener::Worthless { .. }) => return None,
            Some((finding, _)) if self.gone_suffices(lead, was_leader, hears_since, now) => finding,
            _ if !alone && self.silence_suffices(lead, hears_since, now) => {
                self.gone.map_or(Finding::Silent, |(finding, _)| finding)
            }
            _ => return None,
        };
        self.dead_since = Some(now);
        Some(Evidence { lead, finding, silent: now.saturating_sub(self.alive(Duration::ZERO)) })
    }

    /// Whether it needs no more than that nobody listens where it should be.
    fn gone_suffices(&self, lead: Lead, was_leader: bool, hears_since: Duration, now: Duration) -> bool {
        match lead {
            // What was refused before may be so always, and so may what never answered.
            Lead::Broken => {
                let is_asked_since =
                    self.gone.is_some_and(|(_, asked)| self.broken.is_some_and(|broken| broken <= asked));
                is_asked_since && (self.broker.fenced || self.listener == Listener::Proven)
            }
            // The quorum has lost it as well.
            Lead::Unheard if was_leader => true,
            Lead::Unheard => self.has_heard_long_enough(lead, hears_since, now),
            // It may have closed its listeners to stop.
            Lead::Missing => false,
        }
    }

    /// Whether its heartbeats would have come by now.
    fn has_heard_long_enough(&self, lead: Lead, hears_since: Duration, now: Duration) -> bool {
        let hearing = if self.broker.pulses { HEARING } else { SLOW_HEARING };
        lead == Lead::Broken || now.saturating_sub(self.heartbeat(hears_since)) >= hearing
    }

    fn silence_suffices(&self, lead: Lead, hears_since: Duration, now: Duration) -> bool {
        let silent = now.saturating_sub(self.alive(hears_since));
        let asked = self.asked_since.map_or(Duration::ZERO, |since| now.saturating_sub(since.max(hears_since)));
        let means_something = self.broker.pulses || lead == Lead::Broken;
        means_something && !self.broker.fenced && silent >= DEAD_AFTER && asked >= ASKED_FOR
    }
}
