//! Every process of a broker gets a greater epoch than those before it, and no two brokers the same: an epoch is the offset of its record.
//! KIP-631, "Broker Epochs".

use std::collections::BTreeMap;

use super::Invariant;
use crate::network::Place;
use crate::observed::{Fact, Observed};

/// See the file.
#[derive(Default)]
pub struct BrokerEpochsOnlyGrow {
    /// The newest life of each broker that was registered, and its epoch.
    newest: BTreeMap<Place, (u32, i64)>,
    /// Whose each epoch is.
    owners: BTreeMap<i64, Place>,
}

impl Invariant for BrokerEpochsOnlyGrow {
    fn name(&self) -> &'static str {
        "broker_epochs_only_grow"
    }

    fn check(&mut self, _seen: &Observed, fact: &Fact) -> Result<(), String> {
        let Fact::Registered { place, life, epoch } = fact else { return Ok(()) };
        let owner = *self.owners.entry(*epoch).or_insert(*place);
        if owner != *place {
            return Err(format!("brokers {owner} and {place} are both registered in epoch {epoch}"));
        }
        match self.newest.insert(*place, (*life, *epoch)) {
            Some((before, old)) if *epoch < old || (before != *life && *epoch == old) => {
                Err(format!("broker {place} is registered in epoch {epoch}, after a process in epoch {old}"))
            }
            _ => Ok(()),
        }
    }
}
