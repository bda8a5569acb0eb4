//! ListGroups: one shard's share of the groups.

use std::borrow::Cow;

use barnabas_protocol::messages::list_groups::{ListGroupsRequest, ListedGroup};

use super::{Groups, Phase};

/// Kafka's name of the type of group that this shard holds.
const TYPE: &str = "Classic";

/// The groups in one of the states and of one of the types asked for, case aside; an empty list asks for all.
pub fn list(groups: &Groups, request: &ListGroupsRequest<'_>) -> Vec<ListedGroup<'static>> {
    if !is_wanted(&request.types_filter, TYPE) {
        return Vec::new();
    }
    // The filter may be long: it is read once for each state, not for each group.
    let wanted: Vec<&str> = Phase::NAMES.into_iter().filter(|name| is_wanted(&request.states_filter, name)).collect();
    groups
        .values()
        .filter(|group| wanted.contains(&group.phase().name()))
        .map(|group| ListedGroup {
            group_id: group.id().to_string().into(),
            protocol_type: group.protocol_type().unwrap_or_default().to_owned().into(),
            group_state: group.phase().name().into(),
            group_type: TYPE.into(),
            ..Default::default()
        })
        .collect()
}

fn is_wanted(filter: &[Cow<'_, str>], name: &str) -> bool {
    filter.is_empty() || filter.iter().any(|wanted| wanted.trim().eq_ignore_ascii_case(name))
}
