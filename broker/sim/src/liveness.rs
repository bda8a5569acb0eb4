//! Whether the quorum works: somebody leads, everybody follows, and all have the same metadata. Asked once nothing goes wrong any more. KIP-595 and KIP-996
//! (a healthy majority elects and keeps a leader); liveness properties of Vanlightly/kafka-tlaplus.

use barnabas_metadata::Image;
use barnabas_types::BrokerId;

use crate::network::Place;
use crate::observed::RoleName;
use crate::world::World;

/// Why a broker may not lead.
fn outside(image: &Image, place: Place, epoch: Option<i64>) -> Option<String> {
    let registered = image.brokers.get(BrokerId(i32::try_from(place).unwrap_or(i32::MAX)));
    let Some(registered) = registered.filter(|registered| Some(registered.epoch) == epoch) else {
        return Some(format!("the broker of node {place} is not registered"));
    };
    registered.fenced.then(|| format!("the broker of node {place} is fenced"))
}

/// What is not as it should be in the end; None when all is.
#[must_use]
pub(crate) fn disagreement(world: &World) -> Option<String> {
    let Some(leader) = world.leader() else { return Some("nobody leads".to_owned()) };
    let process = world.machines.get(leader)?.process.as_ref()?;
    let (end, image) = (process.driver.node().high_watermark(), process.image_hash());
    let epoch = process.driver.node().epoch();
    if process.applied() != end {
        return Some(format!("the leader has applied {} of {end}", process.applied()));
    }
    let committed = world.observed.committed_end();
    if end.0 < committed {
        return Some(format!("the leader holds all below {end} to be committed, and all below {committed} is"));
    }
    if !process.driver.node().is_voter() {
        return Some(format!("node {leader} leads, and is no voter"));
    }
    for (place, machine) in world.machines.iter().enumerate() {
        let Some(other) = &machine.process else { return Some(format!("node {place} does not run")) };
        let Some(seen) = world.observed.replicas.get(place) else { continue };
        if other.driver.node().epoch() != epoch || (place != leader && seen.standing.role != RoleName::Follower) {
            let (role, other) = (seen.standing.role, other.driver.node().epoch());
            return Some(format!("node {leader} leads epoch {epoch}, and node {place} is {role:?} in epoch {other}"));
        }
        if other.applied() != end || other.image_hash() != image {
            return Some(format!("the leader has applied {end}, and node {place} {}", other.applied()));
        }
        if let Some(broker) = other.broker()
            && let Some(wrong) = outside(process.image(), place, broker.epoch())
        {
            return Some(wrong);
        }
    }
    None
}
