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
    /// Its brokers in turn, those that may not lead last.
    fn nth(&self, depth: usize) -> Option<BrokerId> {
        let rotated = |brokers: &[BrokerId], depth: usize| {
            let position = self.offset.checked_add(depth)?.checked_rem(brokers.len())?;
            brokers.get(position).copied()
        };
        match depth.checked_sub(self.active.len()) {
            None => rotated(&self.active, depth),
            Some(beyond) if beyond < self.inactive.len() => rotated(&self.inactive, beyond),
            Some(_) => None,
        }
    }

    fn len(&self) -> usize {
        self.active.len() + self.inactive.len()
    }
}

/// Numbers that follow from one (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % (bound as u64).max(1)).unwrap_or(0)
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }
}

/// Places `partitions` partitions with `replication_factor` replicas each, the first of which will lead.
///
/// Racks take turns, and so do the brokers of a rack; brokers that are fenced come last in their rack and never lead, and those that
/// are shutting down get nothing. That replicas lie in different racks counts for more than that they are all up, as in Kafka. Brokers
/// without a rack form one. `random` decides who is first, so that many small topics do not all start alike; once every broker has led, the
/// order is another one, so that what one of them leads does not all go to the same other when it fails.
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
    let active = racks.iter().map(|rack| rack.active.len()).sum::<usize>();
    let start = usize::try_from(random % leading as u64).unwrap_or(0);
    let mut numbers = Numbers(random);
    let mut placed = Vec::new();
    for partition in 0..partitions {
        if partition > 0 && partition.is_multiple_of(active) {
            shuffle(&mut racks, leading, &mut numbers);
        }
        let first = (start + partition) % leading;
        placed.push(place_one(&racks, first, replication_factor));
        if let Some(rack) = racks.get_mut(first) {
            rack.offset = rack.offset.wrapping_add(1);
        }
    }
    Ok(placed)
}

/// Brokers that replicas may be put on. Who has stopped may be back; who is about to stop is not waited for.
fn usable(brokers: &Brokers) -> impl Iterator<Item = &BrokerRegistration> {
    let stays = |broker: &&BrokerRegistration| broker.fenced || !broker.in_controlled_shutdown;
    brokers.iter().map(AsRef::as_ref).filter(|broker| broker.takes_new_replicas()).filter(stays)
}

/// Another order of racks and of their brokers; those that can lead stay in front.
fn shuffle(racks: &mut [Rack], leading: usize, numbers: &mut Numbers) {
    let (can_lead, cannot) = racks.split_at_mut(leading.min(racks.len()));
    numbers.shuffle(can_lead);
    numbers.shuffle(cannot);
    for rack in racks {
        numbers.shuffle(&mut rack.active);
        numbers.shuffle(&mut rack.inactive);
    }
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
    let deepest = racks.iter().map(Rack::len).max().unwrap_or(0);
    for depth in 0..deepest {
        for rack in racks.iter().cycle().skip(first).take(racks.len()) {
            if replicas.len() == replication_factor {
                return replicas;
            }
            replicas.extend(rack.nth(depth));
        }
    }
    replicas
}

#[cfg(test)]
mod tests;
