//! A replica that counts as in sync, or may be elected beside those, has every record that was committed.
//!
//! Source: Kafka's replication protocol (the high watermark is the least end of all replicas in sync); KIP-966 (an eligible leader has all
//! committed records). A leader knows that its proposal to leave a follower out is in force a little before any image says it: a replica that
//! is behind counts as wrong when it still is after [`PATIENCE`] looks. Who joins has at once what was committed before: it counts from when the
//! leader proposes it.

use std::collections::BTreeMap;

use super::super::history::{Acks, Assigned, Event};
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
            behind: BTreeMap::new(),
        }
    }

    fn committed(&mut self, partition: i32, end: i64) {
        let committed = self.committed.entry(partition).or_default();
        *committed = end.max(*committed);
    }
}

impl Invariant for InSyncReplicasHaveWhatIsCommitted {
    fn name(&self) -> &'static str {
        "in_sync_replicas_have_what_is_committed"
    }

    fn check(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::Image { partition, assigned, .. } => {
                let newest = self.newest.entry(*partition).or_insert_with(|| assigned.clone());
                if newest.partition_epoch < assigned.partition_epoch {
                    let before = std::mem::replace(newest, assigned.clone());
                    let committed = self.looked[1].get(partition).copied().unwrap_or(0);
                    let joins = assigned.isr.iter().filter(|member| !before.isr.contains(member));
                    self.joined.extend(joins.map(|member| ((*member, *partition), committed)));
                }
            }
            Event::Looks => self.looked = [self.committed.clone(), std::mem::take(&mut self.looked[0])],
            Event::Kept { acks: Acks::All, partition, offset, count, .. } => {
                self.committed(*partition, offset.saturating_add_unsigned(*count));
            }
            Event::Read { partition, offset, .. } => self.committed(*partition, offset + 1),
            Event::Replica { node, partition, log_end, .. } if !self.lossy.contains(*partition) => {
                let committed = self.committed.get(partition).copied().unwrap_or(0);
                let counts = self.newest.get(partition);
                let counts = counts.is_some_and(|newest| newest.isr.contains(node) || newest.eligible.contains(node));
                let joined = self.joined.remove(&(*node, *partition)).filter(|_| counts);
                if let Some(before) = joined.filter(|before| log_end < before) {
                    return Err(format!(
                        "partition {partition}: node {node} has joined the ISR, and its log ends at {log_end}, before {before}, which was committed"
                    ));
                }
                let behind = self.behind.entry((*node, *partition)).or_default();
                *behind = if counts && *log_end < committed { *behind + 1 } else { 0 };
                if *behind > PATIENCE {
                    return Err(format!(
                        "partition {partition}: node {node} counts as in sync or eligible, and its log ends at {log_end}, before {committed}"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
