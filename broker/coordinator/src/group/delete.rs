//! DeleteGroups: an empty group goes with all its offsets.

use std::collections::HashSet;

use barnabas_protocol::messages::delete_groups::DeletableGroupResult;

use super::{Event, GroupError, Groups};
use crate::offsets::Offsets;
use crate::record::group_tombstone;
use crate::shard::Outcome;

/// Decides for each group asked for; a group that has members or does not exist does not keep the others from going.
pub fn delete(
    groups: &Groups,
    offsets: &Offsets,
    group_ids: &[Box<str>],
    events: &mut Vec<Event>,
) -> Outcome<Vec<DeletableGroupResult<'static>>> {
    let mut records = Vec::new();
    let mut deleted = HashSet::new();
    let mut response = Vec::with_capacity(group_ids.len());
    for group_id in group_ids {
        let mut result = DeletableGroupResult { group_id: group_id.to_string().into(), ..Default::default() };
        match may_delete(groups, group_id) {
            Err(error) => result.error_code = error.code(),
            // Asked for twice in one request: gone once.
            Ok(()) if !deleted.insert(group_id) => {}
            Ok(()) => {
                records.extend(offsets.tombstones_of(group_id));
                records.push(group_tombstone(group_id));
            }
        }
        response.push(result);
    }
    if !deleted.is_empty() {
        events.push(Event::GroupsDeleted { count: deleted.len() });
    }
    Outcome { records, response }
}

fn may_delete(groups: &Groups, group_id: &str) -> Result<(), GroupError> {
    match groups.get(group_id) {
        None => Err(GroupError::GroupIdNotFound { group_id: group_id.into() }),
        Some(group) if !group.is_empty() => Err(GroupError::NonEmptyGroup { group_id: group_id.into() }),
        Some(_) => Ok(()),
    }
}
