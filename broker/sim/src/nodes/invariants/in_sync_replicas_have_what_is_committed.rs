//! A replica that counts as in sync, or may be elected beside those, has every record that was committed; so has whoever is elected.
//!
//! Source: Kafka's replication protocol (the high watermark is the least end of all replicas in sync); KIP-966 (an eligible leader has all
//! committed records). A leader knows that its proposal to leave a follower out is in force a little before any image says it: a replica that
//! is behind counts as wrong when it still is after [`PATIENCE`] looks. Who joins has at once what was committed before: it counts from when the
//! leader proposes it. So has who is eligible: nothing is committed until it is not any more. A machine that lost what it had not synced is
//! waited for until it has registered anew, where records count as kept before they are synced: only then the controller knows.

use std::collections::BTreeMap;

use super::super::history::{Acks, Assigned, Event};
use super::super::scene::Kept;
use super::{Invariant, Lossy};

/// Looks at one replica, each 25 ms after the last: 2 s.
const PATIENCE: u32 = 80;

pub struct InSyncReplicasHaveWhatIsCommitted {
    lossy: Lossy,
    newest: BTreeMap<i32, Assigned>,
    /// The offset after the last record that is known to be committed.
    committed: BTreeMap<i32, i64>,
    /// The same at the last look, and at the one before.
    looked: [BTreeMap<i32, i64>; 2],
    /// By node and partition: who has joined since it was looked at, and what it has to have.
    joined: BTreeMap<(i32, i32), i64>,
    /// By node and partition: what who is eligible has to have.
    eligible: BTreeMap<(i32, i32), i64>,
    /// By partition: the newest leader epoch, and what its leader has to begin with, until it was looked at.
    elected: BTreeMap<i32, (i32, i64)>,
    /// The broker epochs of machines that have lost power since.
    lost_power: BTreeMap<i32, i64>,
    /// How often in a row a node was behind.
    behind: BTreeMap<(i32, i32), u32>,
}

impl InSyncReplicasHaveWhatIsCommitted {
    pub const fn new(lossy: Lossy) -> Self {
        let looked = [BTreeMap::new(), BTreeMap::new()];
        Self {
            lossy,
            newest: BTreeMap::new(),
            committed: BTreeMap::new(),
            looked,
            joined: BTreeMap::new(),
            eligible: BTreeMap::new(),
            elected: BTreeMap::new(),
            lost_power: BTreeMap::new(),
            behind: BTreeMap::new(),
        }
    }

    fn committed(&mut self, partition: i32, end: i64) {
        let committed = self.committed.entry(partition).or_default();
        *committed = end.max(*committed);
    }

    fn changes(&mut self, partition: i32, assigned: &Assigned) {
        for (broker, epoch) in &assigned.broker_epochs {
            if self.lost_power.get(broker).is_some_and(|before| before < epoch) {
                self.lost_power.remove(broker);
            }
        }
        let newest = self.newest.entry(partition).or_insert_with(|| assigned.clone());
        if newest.partition_epoch >= assigned.partition_epoch {
            return;
        }
        let before = std::mem::replace(newest, assigned.clone());
        let committed = self.looked[1].get(&partition).copied().unwrap_or(0);
        let joins = assigned.isr.iter().filter(|member| !before.isr.contains(member));
        self.joined.extend(joins.map(|member| ((*member, partition), committed)));
        self.eligible.retain(|(node, of), _| *of != partition || assigned.eligible.contains(node));
        for member in &assigned.eligible {
            self.eligible.entry((*member, partition)).or_insert(committed);
        }
        if assigned.leader >= 0 && before.leader_epoch < assigned.leader_epoch {
            self.elected.insert(partition, (assigned.leader_epoch, committed));
        }
    }

    /// What the node is told to have lost, and nobody else knows yet.
    fn may_lack(&self, node: i32, partition: i32) -> bool {
        self.lossy.kept(partition) == Kept::Replicated && self.lost_power.contains_key(&node)
    }

    fn look(&mut self, (node, partition): (i32, i32), log_end: i64) -> Result<(), String> {
        let key = (node, partition);
        let newest = self.newest.get(&partition);
        let counts = newest.is_some_and(|newest| newest.isr.contains(&node) || newest.eligible.contains(&node));
        let joined = self.joined.remove(&key).filter(|_| counts);
        if let Some(before) = joined.filter(|before| log_end < *before) {
            return Err(format!(
                "partition {partition}: node {node} has joined the ISR, and its log ends at {log_end}, before {before}, which was committed"
            ));
        }
        let is_waited_for = self.may_lack(node, partition);
        if let Some(before) = self.eligible.get(&key).filter(|before| log_end < **before && !is_waited_for) {
            return Err(format!(
                "partition {partition}: node {node} is eligible, and its log ends at {log_end}, before {before}, which was committed"
            ));
        }
        let committed = self.committed.get(&partition).copied().unwrap_or(0);
        let behind = self.behind.entry(key).or_default();
        *behind = if counts && log_end < committed && !is_waited_for { *behind + 1 } else { 0 };
        if *behind > PATIENCE {
            return Err(format!(
                "partition {partition}: node {node} counts as in sync or eligible, and its log ends at {log_end}, before {committed}"
            ));
        }
        Ok(())
    }

    fn look_at_leader(&mut self, partition: i32, leader_epoch: i32, log_end: i64) -> Result<(), String> {
        let of_epoch = self.elected.get(&partition).filter(|(epoch, _)| *epoch == leader_epoch).copied();
        let Some((_, before)) = of_epoch else { return Ok(()) };
        self.elected.remove(&partition);
        if log_end < before {
            return Err(format!(
                "partition {partition}: the leader of epoch {leader_epoch} begins at {log_end}, before {before}, which was committed"
            ));
        }
        Ok(())
    }
}

impl Invariant for InSyncReplicasHaveWhatIsCommitted {
    fn name(&self) -> &'static str {
        "in_sync_replicas_have_what_is_committed"
    }

    fn check(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Image { partition, assigned, .. } => self.changes(*partition, assigned),
            Event::Looks => self.looked = [self.committed.clone(), std::mem::take(&mut self.looked[0])],
            Event::LosesPower { node, broker_epoch, .. } => _ = self.lost_power.insert(*node, *broker_epoch),
            Event::Kept { acks: Acks::All, partition, offset, count, .. } => {
                self.committed(*partition, offset.saturating_add_unsigned(*count));
            }
            Event::Read { partition, offset, .. } => self.committed(*partition, offset + 1),
            Event::Replica { node, partition, leads, leader_epoch, log_end, .. }
                if !self.lossy.contains(*partition) =>
            {
                self.look((*node, *partition), *log_end)?;
                if *leads {
                    self.look_at_leader(*partition, *leader_epoch, *log_end)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
