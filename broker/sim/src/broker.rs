//! What a broker does beside following: it registers with the controller and is heard of, as the server's own does (`metadata/registration.rs`, which
//! needs a runtime). Says what it would ask and hears the answers; sends nothing.

use std::time::Duration;

use barnabas_types::{Offset, Uuid};

use crate::admin::{Ask, Told};
use crate::network::Place;

/// A broker in one life of its process.
#[derive(Debug)]
pub struct Broker {
    id: i32,
    incarnation_id: Uuid,
    life: u32,
    interval: Duration,
    due: Duration,
    number: u64,
    waits: bool,
    epoch: Option<i64>,
}

/// What it has learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is registered, in this epoch.
    Registered(i64),
    /// It may lead, in this epoch.
    LetIn(i64),
}

impl Broker {
    /// The broker at `place`, heard of so often that its session holds.
    #[must_use]
    pub fn new(place: Place, life: u32, session_timeout: Duration, now: Duration) -> Self {
        let id = i32::try_from(place).unwrap_or(i32::MAX);
        Self {
            id,
            incarnation_id: Uuid::from_u128(0x3_0000_0000_0000 + ((place as u128) << 32) + u128::from(life)),
            life,
            interval: session_timeout / 4,
            due: now,
            number: 0,
            waits: false,
            epoch: None,
        }
    }

    /// When it asks next.
    #[must_use]
    pub const fn due(&self) -> Duration {
        self.due
    }

    /// The epoch of its registration.
    #[must_use]
    pub const fn epoch(&self) -> Option<i64> {
        self.epoch
    }

    /// What it asks for now, with the number of the request; None while nothing is due. What it asked before it waits for no longer.
    pub fn ask(&mut self, applied: Offset, now: Duration) -> Option<(u64, Ask)> {
        if now < self.due {
            return None;
        }
        self.due = now + self.interval;
        self.number += 1;
        self.waits = true;
        let broker = self.id;
        let ask = match self.epoch {
            None => Ask::Register { broker, incarnation_id: self.incarnation_id },
            Some(epoch) => Ask::Heartbeat { broker, epoch, applied: Offset(applied.0.saturating_sub(1)) },
        };
        Some((self.request(), ask))
    }

    /// The number of its newest request: no other life has the same.
    #[must_use]
    pub fn request(&self) -> u64 {
        u64::from(self.life) << 32 | self.number
    }

    /// Hears an answer.
    pub fn hear(&mut self, request: u64, told: Told) -> Option<News> {
        if !self.waits || request != self.request() {
            return None;
        }
        self.waits = false;
        match told {
            Told::Registered(epoch) => {
                self.epoch = Some(epoch);
                Some(News::Registered(epoch))
            }
            Told::HeardOf { is_fenced: false } => self.epoch.map(News::LetIn),
            Told::Stale => {
                self.epoch = None;
                None
            }
            _ => None,
        }
    }
}

/// The life that a request of a broker is of.
#[must_use]
pub const fn life_of(request: u64) -> u64 {
    request >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_registers_is_heard_of_and_registers_again_when_its_epoch_is_stale() {
        let mut broker = Broker::new(4, 2, Duration::from_secs(2), Duration::ZERO);
        let (request, ask) = broker.ask(Offset(0), Duration::ZERO).unwrap();
        assert!(matches!(ask, Ask::Register { broker: 4, .. }) && life_of(request) == 2);
        assert_eq!(broker.ask(Offset(0), Duration::from_millis(499)), None);
        assert_eq!(broker.hear(request + 1, Told::Registered(6)), None, "nobody asked");
        assert_eq!(broker.hear(request, Told::Registered(7)), Some(News::Registered(7)));
        let (request, ask) = broker.ask(Offset(9), broker.due()).unwrap();
        assert_eq!(ask, Ask::Heartbeat { broker: 4, epoch: 7, applied: Offset(8) });
        assert_eq!(broker.hear(request, Told::HeardOf { is_fenced: false }), Some(News::LetIn(7)));
        let (request, _) = broker.ask(Offset(9), broker.due()).unwrap();
        assert_eq!(broker.hear(request, Told::Stale), None);
        assert!(matches!(broker.ask(Offset(9), broker.due()), Some((_, Ask::Register { .. }))));
    }
}
