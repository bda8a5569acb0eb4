//! Classic groups: the broker gathers members, a member computes the assignment. What members are assigned is not looked at.

pub mod heartbeat;
pub mod join;
pub mod leave;
mod member;
mod persist;
pub mod rebalance;
mod state;
mod subscription;
pub mod sync;

use std::sync::Arc;

pub use member::{Awaiting, Introduction, Member, Protocol};
pub use state::{ClassicGroup, Gathering, Phase};

use super::{GroupError, Reason, Scope};

/// The group has been read from the log: its members have a session each from now on.
pub fn loaded(group: &mut ClassicGroup, scope: &mut Scope<'_>) {
    for member_id in group.member_ids() {
        rebalance::restart_session(group, scope, &member_id);
    }
    if group.member_count() > scope.config.max_size {
        rebalance::prepare(group, scope, Reason::OverCapacity);
    }
}

impl ClassicGroup {
    /// Checks that `member_id` is a member and, if it comes as a static one, still the one under that `group.instance.id`.
    pub(crate) fn validate_member(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), GroupError> {
        if let Some(instance_id) = instance_id {
            match self.static_member_id(instance_id) {
                None => return Err(self.unknown_member(member_id)),
                Some(current) if &**current != member_id => {
                    return Err(GroupError::FencedInstanceId {
                        group_id: self.id_text(),
                        instance_id: instance_id.into(),
                        current: (&**current).into(),
                    });
                }
                Some(_) => {}
            }
        }
        self.member(member_id).map(drop).ok_or_else(|| self.unknown_member(member_id))
    }

    pub(crate) fn validate_generation(&self, generation: i32) -> Result<(), GroupError> {
        if generation == self.generation {
            return Ok(());
        }
        Err(GroupError::IllegalGeneration { group_id: self.id_text(), generation, current: self.generation })
    }

    pub(crate) fn unknown_member(&self, member_id: &str) -> GroupError {
        GroupError::UnknownMemberId { group_id: self.id_text(), member_id: member_id.into() }
    }

    pub(crate) fn id_text(&self) -> Box<str> {
        (&**self.id()).into()
    }
}

/// The member id in the form in which timers and sets keep it.
fn shared(member_id: &str) -> Arc<str> {
    Arc::from(member_id)
}
