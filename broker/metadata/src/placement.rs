//! Where replicas go: spread over racks and brokers, round robin, leaders included. Pure: the random start is an input.

use barnabas_types::BrokerId;

use crate::{BrokerRegistration, Brokers};

/// Why there is no placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlacementError {
    /// More replicas than brokers.
    #[error("{replication_factor} replicas need as many brokers; {brokers} are registered that take new replicas")]
    TooFewBrokers {
        /// Wanted.
        replication_factor: usize,
        /// Registered, with a directory that is not cordoned.
        brokers: usize,
    },
    /// No broker may lead.
    #[error("every registered broker is fenced or shutting down; try again when one is up")]
    NoneActive,
}

/// One rack: its brokers that may lead, those that may not (yet), and who is next.
#[derive(Default)]
struct Rack {
    active: Vec<BrokerId>,
    inactive: Vec<BrokerId>,
    offset: usize,
}

impl Rack {
    fn active(&self) -> &[BrokerId] {
        &self.active
    }

    fn inactive(&self) -> &[BrokerId] {
        &self.inactive
    }

    fn nth(brokers: &[BrokerId], offset: usize, depth: usize) -> Option<BrokerId> {
        let position = offset.checked_add(depth)?.checked_rem(brokers.len())?;
        if depth < brokers.len() { brokers.get(position).copied() } else { None }
    }
}

/// Places `partitions` partitions with `replication_factor` replicas each, the first of which will lead.
///
/// Racks take turns, and so do the brokers of a rack; brokers that are fenced or shutting down come last and never lead.
/// Brokers without a rack form one. `random` decides who is first, so that many small topics do not all start alike.
///
/// # Errors
/// Not enough brokers, or none that may lead.
pub fn place(
    brokers: &Brokers,
    partitions: usize,
    replication_factor: usize,
    random: u64,
) -> Result<Vec<Vec<BrokerId>>, PlacementError> {
    let registered = usable(brokers).count();
    if replication_factor > registered {
        return Err(PlacementError::TooFewBrokers { replication_factor, brokers: registered });
    }
    let mut racks = racks(brokers, random);
    let leading = racks.iter().filter(|rack| !rack.active.is_empty()).count();
    if leading == 0 {
        return Err(PlacementError::NoneActive);
    }
    let start = usize::try_from(random % leading as u64).unwrap_or(0);
    let mut placed = Vec::new();
    for partition in 0..partitions {
        let first = (start + partition) % leading;
        placed.push(place_one(&racks, first, replication_factor));
        if let Some(rack) = racks.get_mut(first) {
            rack.offset = rack.offset.wrapping_add(1);
        }
    }
    Ok(placed)
}

/// Brokers that replicas may be put on.
fn usable(brokers: &Brokers) -> impl Iterator<Item = &BrokerRegistration> {
    brokers.iter().map(AsRef::as_ref).filter(|broker| broker.takes_new_replicas())
}

/// Racks that can lead first, so that leaders rotate over exactly those.
fn racks(brokers: &Brokers, random: u64) -> Vec<Rack> {
    let mut by_name = std::collections::BTreeMap::<Option<&str>, Rack>::new();
    for broker in usable(brokers) {
        let rack = by_name.entry(broker.rack.as_deref()).or_default();
        if broker.is_active() { rack.active.push(broker.id) } else { rack.inactive.push(broker.id) }
    }
    let (mut racks, without): (Vec<_>, Vec<_>) = by_name.into_values().partition(|rack| !rack.active.is_empty());
    racks.extend(without);
    for rack in &mut racks {
        rack.offset = usize::try_from((random >> 32) & 0xffff).unwrap_or(0);
    }
    racks
}

fn place_one(racks: &[Rack], first: usize, replication_factor: usize) -> Vec<BrokerId> {
    let mut replicas = Vec::new();
    for brokers in [Rack::active, Rack::inactive] {
        let deepest = racks.iter().map(|rack| brokers(rack).len()).max().unwrap_or(0);
        for depth in 0..deepest {
            for rack in racks.iter().cycle().skip(first).take(racks.len()) {
                if replicas.len() == replication_factor {
                    return replicas;
                }
                replicas.extend(Rack::nth(brokers(rack), rack.offset, depth));
            }
        }
    }
    replicas
}

#[cfg(test)]
mod tests;
