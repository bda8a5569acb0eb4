//! Which brokers have been heard of lately, as the active controller alone knows it: nothing of it is in the log, and a new controller
//! gives every broker a whole session. Decides nothing; times are monotonic and come from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use barnabas_types::{BrokerId, Offset};

/// What is known of a broker beside its registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Session {
    /// The epoch of the registration that it belongs to.
    epoch: i64,
    last_contact: Duration,
    /// How far the broker has applied the metadata; -1 when it has not said.
    applied_offset: Offset,
    /// What every other broker has to have applied before this one may stop.
    stops_after: Option<Offset>,
    /// True when it ends with the record that fences its broker.
    ends: bool,
}

/// The sessions of all brokers that were heard of.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    by_broker: BTreeMap<BrokerId, Session>,
    last_look: Duration,
}

impl Sessions {
    /// Notes that the broker of this registration is there.
    pub(super) fn touch(&mut self, broker: BrokerId, epoch: i64, now: Duration, applied_offset: Option<Offset>) {
        let new = Session { epoch, last_contact: now, applied_offset: Offset(-1), stops_after: None, ends: false };
        let session = self.by_broker.entry(broker).or_insert(new);
        if session.epoch != epoch {
            *session = new;
        }
        (session.last_contact, session.ends) = (now, false);
        session.applied_offset = applied_offset.unwrap_or(session.applied_offset);
    }

    /// Notes that the broker of this registration was there at `at`, which may be before what is known. One without a session gets none: it
    /// was fenced, or has stopped.
    pub(super) fn heard(&mut self, broker: BrokerId, epoch: i64, at: Duration) {
        if let Some(session) = self.by_broker.get_mut(&broker).filter(|session| session.epoch == epoch) {
            session.last_contact = session.last_contact.max(at);
        }
    }

    /// True when the broker of this registration was heard of within `timeout`.
    pub(super) fn is_live(&self, broker: BrokerId, epoch: i64, now: Duration, timeout: Duration) -> bool {
        let session = self.by_broker.get(&broker).filter(|session| session.epoch == epoch);
        session.is_some_and(|session| now.saturating_sub(session.last_contact) < timeout)
    }

    pub(super) fn forget(&mut self, broker: BrokerId) {
        self.by_broker.remove(&broker);
    }

    /// Forgets `broker` once it is fenced: until that is written, for which there may be no room, it has to be fenced still.
    pub(super) fn end_with_fencing(&mut self, broker: BrokerId) {
        if let Some(session) = self.by_broker.get_mut(&broker) {
            session.ends = true;
        }
    }

    /// The log says that `broker` is fenced.
    pub(super) fn fenced(&mut self, broker: BrokerId) {
        if self.by_broker.get(&broker).is_some_and(|session| session.ends) {
            self.forget(broker);
        }
    }

    /// The broker that has been silent for longest, if that is `timeout` or more. A controller that has not looked for half that time
    /// was itself asleep, or kept from its work, and cannot say who was silent: then everybody gets a new session.
    pub(super) fn expired(&mut self, now: Duration, timeout: Duration) -> Option<BrokerId> {
        let slept = now.saturating_sub(self.last_look) > timeout / 2;
        self.last_look = now;
        if slept {
            self.by_broker.values_mut().for_each(|session| session.last_contact = now);
        }
        let (&broker, oldest) = self.by_broker.iter().min_by_key(|(_, session)| session.last_contact)?;
        (now.saturating_sub(oldest.last_contact) >= timeout).then_some(broker)
    }

    /// When somebody has to look again, at the latest.
    pub(super) fn deadline(&self, timeout: Duration) -> Option<Duration> {
        let ended = self.by_broker.values().map(|session| session.last_contact).min()? + timeout;
        let latest = self.last_look + timeout / 4;
        // Who was named at the last look and is there still could not be fenced: not again at once.
        Some(if ended <= self.last_look { latest } else { ended.min(latest) })
    }

    /// Notes what everybody else has to have applied before `broker` may stop.
    pub(super) fn stop_after(&mut self, broker: BrokerId, offset: Offset) {
        if let Some(session) = self.by_broker.get_mut(&broker) {
            session.stops_after = Some(offset);
        }
    }

    /// See [`Sessions::stop_after`].
    pub(super) fn stops_after(&self, broker: BrokerId) -> Option<Offset> {
        self.by_broker.get(&broker).and_then(|session| session.stops_after)
    }

    /// Forgets that `broker` wanted to stop.
    pub(super) fn goes_on(&mut self, broker: BrokerId) {
        if let Some(session) = self.by_broker.get_mut(&broker) {
            session.stops_after = None;
        }
    }

    /// How far `broker` has applied the metadata; -1 when it has not said.
    pub(super) fn applied_offset(&self, broker: BrokerId) -> Offset {
        self.by_broker.get(&broker).map_or(Offset(-1), |session| session.applied_offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(9);

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_longest_silent_broker_expires_first_and_only_after_the_timeout() {
        let mut sessions = Sessions::default();
        for now in 0..=8 {
            assert_eq!(sessions.expired(at(now), TIMEOUT), None);
            if now < 2 {
                sessions.touch(BrokerId(now as i32), 5, at(now), None);
            }
        }
        assert_eq!(sessions.expired(at(9), TIMEOUT), Some(BrokerId(0)));
        assert!(sessions.is_live(BrokerId(1), 5, at(9), TIMEOUT) && !sessions.is_live(BrokerId(1), 6, at(9), TIMEOUT));
        sessions.forget(BrokerId(0));
        assert_eq!(sessions.expired(at(9), TIMEOUT), None);
        assert_eq!(sessions.expired(at(10), TIMEOUT), Some(BrokerId(1)));
    }

    #[test]
    fn a_heartbeat_that_waits_for_its_turn_counts_from_when_it_came() {
        let mut sessions = Sessions::default();
        sessions.touch(BrokerId(1), 5, at(0), None);
        for now in 1..20 {
            assert_eq!(sessions.expired(at(now), TIMEOUT), None);
            // What came earlier and is told later takes nothing away.
            sessions.heard(BrokerId(1), 5, at(now - 1));
            sessions.heard(BrokerId(1), 5, at(0));
        }
        sessions.heard(BrokerId(1), 4, at(27));
        for now in 20..27 {
            assert_eq!(sessions.expired(at(now), TIMEOUT), None);
        }
        assert_eq!(sessions.expired(at(27), TIMEOUT), Some(BrokerId(1)), "another registration was heard");
        sessions.forget(BrokerId(1));
        sessions.heard(BrokerId(1), 5, at(27));
        assert_eq!(sessions.deadline(TIMEOUT), None, "one that has left has no session to go on");
    }

    #[test]
    fn a_controller_that_slept_holds_it_against_nobody() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.expired(at(1), TIMEOUT), None);
        sessions.touch(BrokerId(1), 5, at(1), None);
        assert_eq!(sessions.expired(at(100), TIMEOUT), None, "it was the controller that was away");
        for now in 101..109 {
            assert_eq!(sessions.expired(at(now), TIMEOUT), None);
        }
        assert_eq!(sessions.expired(at(109), TIMEOUT), Some(BrokerId(1)), "it has been silent for a whole session");
    }

    #[test]
    fn somebody_looks_often_enough_not_to_be_taken_for_asleep() {
        let mut sessions = Sessions::default();
        assert_eq!(sessions.deadline(TIMEOUT), None);
        sessions.touch(BrokerId(1), 5, at(1), None);
        let mut now = at(1);
        while sessions.expired(now, TIMEOUT).is_none() {
            now = sessions.deadline(TIMEOUT).unwrap();
        }
        assert!(now >= at(10) && now < at(13), "{now:?}");
    }

    #[test]
    fn a_new_registration_begins_a_new_session() {
        let mut sessions = Sessions::default();
        sessions.touch(BrokerId(1), 5, at(1), Some(Offset(7)));
        sessions.stop_after(BrokerId(1), Offset(9));
        sessions.stop_after(BrokerId(1), Offset(11));
        assert_eq!(
            (sessions.applied_offset(BrokerId(1)), sessions.stops_after(BrokerId(1))),
            (Offset(7), Some(Offset(11)))
        );
        sessions.touch(BrokerId(1), 6, at(1), None);
        assert_eq!((sessions.applied_offset(BrokerId(1)), sessions.stops_after(BrokerId(1))), (Offset(-1), None));
    }
}
