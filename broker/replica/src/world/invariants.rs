//! What must hold after every step, whatever happens. Each is named after what would be lost without it.

use barnabas_types::BrokerId;

use super::World;
use super::log::index;
use crate::{Around, Durability};

impl World {
    /// Checks all; what is broken is noted.
    pub(crate) fn check(&mut self) {
        let problems = self
            .watermarks_never_go_back()
            .or_else(|| self.watermarks_agree())
            .or_else(|| self.members_have_what_is_committed())
            .or_else(|| self.an_epoch_has_one_history());
        if let Some(problem) = problems {
            self.fail(problem);
        }
    }

    /// As long as the process lives.
    fn watermarks_never_go_back(&mut self) -> Option<String> {
        for broker in self.brokers.values_mut() {
            let Some(life) = &mut broker.life else { continue };
            let watermark = life.replica.high_watermark();
            if watermark < life.seen {
                return Some(format!("the watermark of {} goes back from {} to {watermark}", broker.id, life.seen));
            }
            life.seen = watermark;
            if watermark > broker.log.end() {
                return Some(format!("{} has watermark {watermark} beyond its log's end", broker.id));
            }
        }
        None
    }

    /// Below their watermarks all logs are the same, and the same as ever.
    fn watermarks_agree(&mut self) -> Option<String> {
        for broker in self.brokers.values() {
            let Some(life) = &broker.life else { continue };
            let kept = &broker.log.records[..index(life.replica.high_watermark())];
            let known = kept.len().min(self.committed.len());
            if kept[..known] != self.committed[..known] {
                return Some(format!("{} has other records below its watermark: {}", broker.id, broker.log.show()));
            }
            if kept.len() > known {
                self.committed.extend_from_slice(&kept[known..]);
            }
        }
        None
    }

    /// Any of them may be elected. What counts is what the policy counts: the disk under fsync.
    fn members_have_what_is_committed(&self) -> Option<String> {
        for id in &self.controller.state().isr {
            let log = &self.broker(*id).log;
            let counted = match self.settings.durability {
                Durability::Fsync => log.durable,
                Durability::Replicated => log.records.len(),
            };
            let kept = log.records.get(..self.committed.len().min(counted)).unwrap_or_default();
            if kept != self.committed {
                let committed = self.committed.len();
                return Some(format!(
                    "{id} is in sync and has {kept:?} of {committed} committed records: {}",
                    log.show()
                ));
            }
        }
        None
    }

    /// A record of the same offset and epoch is the same everywhere, with all before it.
    fn an_epoch_has_one_history(&self) -> Option<String> {
        let logs: Vec<_> = self.brokers.values().collect();
        for (position, left) in logs.iter().enumerate() {
            for right in &logs[position + 1..] {
                let pairs = left.log.records.iter().zip(&right.log.records);
                let last_same = pairs.clone().rposition(|(left, right)| left.0 == right.0);
                let same = pairs.take(last_same.map_or(0, |last| last + 1)).all(|(left, right)| left == right);
                if !same {
                    let (one, other) = (left.log.show(), right.log.show());
                    return Some(format!("{} and {} differ within an epoch: {one} | {other}", left.id, right.id));
                }
            }
        }
        None
    }

    /// Before an input: the watermark of a leader with too small an ISR, which must not move.
    pub(crate) fn frozen(&self, id: BrokerId) -> Option<(barnabas_types::LeaderEpoch, i32, barnabas_types::Offset)> {
        let life = self.broker(id).life.as_ref()?;
        let brokers = &life.brokers;
        let around = Around { own: id, own_epoch: life.broker_epoch, settings: &self.settings, brokers };
        let replica = &life.replica;
        let is_frozen = replica.is_leader() && replica.is_under_min_isr(&around);
        is_frozen.then(|| (replica.leader_epoch(), replica.partition_epoch(), replica.high_watermark()))
    }

    /// After it: while it still is the same state, it has not.
    pub(crate) fn check_frozen(
        &mut self,
        id: BrokerId,
        before: (barnabas_types::LeaderEpoch, i32, barnabas_types::Offset),
    ) {
        if self
            .frozen(id)
            .is_some_and(|(epoch, state, moved)| (epoch, state) == (before.0, before.1) && moved != before.2)
        {
            self.fail(format!("the watermark of {id} moves though too few are in sync"));
        }
    }
}
