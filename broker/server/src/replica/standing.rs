//! How a hosted partition is replicated, for those who watch over a broker. Changes nothing.

use barnabas_types::Offset;

use super::Partition;

/// A partition's part in replication at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// This broker leads it; all that follows is false, 0 or none where it does not.
    pub is_leader: bool,
    /// So many replicas are in sync.
    pub in_sync: usize,
    /// Fewer replicas are in sync than there are, those apart that a reassignment adds.
    pub is_under_replicated: bool,
    /// Fewer replicas are in sync than `min.insync.replicas`.
    pub is_under_min_isr: bool,
    /// Just as many.
    pub is_at_min_isr: bool,
    /// Replicas are being added or removed.
    pub is_reassigning: bool,
    /// So many records the follower lacks that lacks most, of those that have fetched in this leadership; none without other replicas.
    pub follower_lag: Option<i64>,
    /// Its log serves nobody any more.
    pub is_offline: bool,
}

impl Partition {
    /// How it is replicated now; none while a write to it hangs.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let state = self.lock_unless_hanging().ok()?;
        let (replica, log_end) = (&state.replica, state.log.log_end());
        let lag = |end: Offset| log_end.0.saturating_sub(end.0).max(0);
        let (is_under_min_isr, is_at_min_isr) = self.look(&self.config.load(), false, |around| {
            (replica.is_under_min_isr(around), replica.is_at_min_isr(around))
        });
        Some(Standing {
            is_leader: replica.is_leader(),
            in_sync: replica.isr_size(),
            is_under_replicated: replica.is_under_replicated(),
            is_under_min_isr,
            is_at_min_isr,
            is_reassigning: replica.is_reassigning(),
            follower_lag: replica.followers().filter_map(|follower| follower.end).map(lag).max(),
            is_offline: state.log.is_offline(),
        })
    }
}
