//! The high watermark: how far everybody who counts has the log. It waits, it freezes, and at a leader it never goes back.

use barnabas_types::Offset;

use crate::bug::Bug;
use crate::offsets::Ends;
use crate::replica::{Replica, Role};
use crate::time::Millis;
use crate::{Around, Effect};

impl Replica {
    /// Moves the watermark as far as it may.
    pub(crate) fn move_watermark(&mut self, around: &Around<'_>, now_ms: Millis, out: &mut Vec<Effect>) {
        let reached = match &self.role {
            Role::Leader(_) => self.kept_by_all(around, now_ms),
            Role::Follower { told, .. } if around.has(Bug::BelievesLeadersWatermark) => Some(*told),
            Role::Follower { told, .. } => Some((*told).min(self.ends().counted(around.settings))),
            Role::Stopped => None,
        };
        if let Some(to) = reached.filter(|reached| *reached > self.high_watermark) {
            self.high_watermark = to;
            out.push(Effect::WatermarkMoved { to });
        }
    }

    /// The least end of those who count: this broker, everybody who may be in the ISR by now, and who is caught up and may join it: without
    /// waiting for those last ones a follower would run after the watermark for ever. None while the ISR is too small.
    fn kept_by_all(&self, around: &Around<'_>, now_ms: Millis) -> Option<Offset> {
        let ends = self.ends();
        let own = ends.counted(around.settings);
        let Some(others) = self.others() else { return Some(own) };
        if others.is_under_min_isr(around) && !around.has(Bug::MovesUnderMinIsr) {
            return None;
        }
        let mut least = own;
        for peer in &others.peers {
            let counts = || {
                others.is_in_maximal_isr(peer.id, around)
                    || (peer.is_caught_up(ends.log_end, around.settings.replica_lag_time_max_ms, now_ms)
                        && around.brokers.may_join_isr(peer, peer.broker_epoch))
            };
            if peer.end.is_none_or(|end| end < least) && counts() {
                least = peer.end?;
            }
        }
        // A member that is not among the replicas can be asked for nothing: the ISR has to do without it first.
        let is_known = |id| id == around.own || others.peer(id).is_some();
        others.isr.iter().all(|&id| is_known(id)).then_some(least)
    }

    /// The log was appended to, synced or cut.
    pub(crate) fn on_log_moved(&mut self, ends: Ends, around: &Around<'_>, now_ms: Millis, out: &mut Vec<Effect>) {
        let before = std::mem::replace(&mut self.log_end, ends.log_end);
        self.durable_end = ends.durable_end;
        if self.log_end > before
            && let Some(others) = self.others_mut()
        {
            others.peers.iter_mut().for_each(|peer| peer.leader_grows(before, now_ms));
        }
        if self.log_end < self.high_watermark && !around.has(Bug::BelievesLeadersWatermark) {
            let from = std::mem::replace(&mut self.high_watermark, self.log_end);
            out.push(Effect::CommittedRecordsCut { from, to: self.high_watermark });
        }
        self.move_watermark(around, now_ms, out);
    }
}
