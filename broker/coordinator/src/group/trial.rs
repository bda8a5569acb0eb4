//! Whether a request would write, tried on a copy of what it concerns: for a partition that takes no records for the moment, where a shard's state must
//! not run ahead. Changes no shard that serves.

use barnabas_types::Now;

use super::{Concerned, GroupShard, Request};
use crate::shard::{Effects, Input, Shard};

impl GroupShard {
    /// Whether `input` at `now` would come to records. What may concern all groups is not tried: it is taken to write. Costs a copy of the groups.
    #[must_use]
    pub fn would_write(&self, input: &Input<Request>, now: Now) -> bool {
        let (token, request) = match input {
            // Deadlines begin, and members of a group that is too large have to join again: no record.
            Input::Loaded => return false,
            Input::Tick | Input::TopicsDeleted(_) => return true,
            Input::Request { token, request } => (*token, request),
        };
        if request.only_looks() {
            return false;
        }
        let Concerned::Groups { ids, with_offsets, .. } = self.concerned(input, now) else { return true };
        let mut trial = Self::framed(self.frame());
        for id in &ids {
            trial.put(self.part(id, with_offsets), true);
        }
        let mut effects = Effects::default();
        trial.handle(Input::Request { token, request: request.clone() }, now, &mut effects);
        !effects.records.is_empty()
    }
}

impl Request {
    /// It never comes to a record, if it may begin a member's session again.
    const fn only_looks(&self) -> bool {
        match self {
            Self::Heartbeat(_) | Self::OffsetFetch { .. } | Self::ListGroups(_) | Self::DescribeGroups { .. } => true,
            Self::JoinGroup { .. }
            | Self::SyncGroup(_)
            | Self::LeaveGroup(_)
            | Self::OffsetCommit { .. }
            | Self::OffsetDelete(_)
            | Self::DeleteGroups { .. } => false,
        }
    }
}
