//! A broker may lead only once it has applied its own registration, and with that all metadata before it. KIP-631, "Broker Registration" (a broker
//! stays fenced until it has caught up).

use super::Invariant;
use crate::observed::{Fact, Observed};

/// See the file.
#[derive(Default)]
pub struct UnfencedBrokerKnowsItself;

impl Invariant for UnfencedBrokerKnowsItself {
    fn name(&self) -> &'static str {
        "unfenced_broker_knows_itself"
    }

    fn check(&mut self, _seen: &Observed, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::LetIn { place, epoch, applied } if applied <= epoch => Err(format!(
                "broker {place} may lead in epoch {epoch}, and has applied no more than all below {applied}"
            )),
            _ => Ok(()),
        }
    }
}
