//! DescribeGroups: what a group is doing, who is in it and what each member was assigned.

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::describe_groups::{DescribedGroup, DescribedGroupMember};

use super::{ClassicGroup, GroupError, Groups, Member, Phase};

/// The first version that says that a group does not exist; before, it is "Dead" without an error (KIP-1043).
const NOT_FOUND_VERSION: i16 = 6;

/// Describes each group asked for, in the order asked for.
pub fn describe(groups: &Groups, version: i16, group_ids: &[Box<str>]) -> Vec<DescribedGroup<'static>> {
    let describe = |group_id: &str| match groups.get(group_id) {
        Some(group) => describe_one(group),
        None => absent(group_id, version),
    };
    group_ids.iter().map(|group_id| describe(group_id)).collect()
}

fn absent(group_id: &str, version: i16) -> DescribedGroup<'static> {
    let mut described =
        DescribedGroup { group_id: group_id.to_owned().into(), group_state: "Dead".into(), ..Default::default() };
    if version >= NOT_FOUND_VERSION {
        described.error_code = ErrorCode::GROUP_ID_NOT_FOUND;
        described.error_message = Some(GroupError::GroupIdNotFound { group_id: group_id.into() }.to_string().into());
    }
    described
}

fn describe_one(group: &ClassicGroup) -> DescribedGroup<'static> {
    // Between generations there is no protocol that everybody goes by.
    let protocol = group.protocol_name().filter(|_| group.phase() == Phase::Stable);
    DescribedGroup {
        group_id: group.id().to_string().into(),
        group_state: group.phase().name().into(),
        protocol_type: group.protocol_type().unwrap_or_default().to_owned().into(),
        protocol_data: protocol.unwrap_or_default().to_owned().into(),
        members: group.members().map(|member| describe_member(member, protocol)).collect(),
        ..Default::default()
    }
}

fn describe_member(member: &Member, protocol: Option<&str>) -> DescribedGroupMember<'static> {
    DescribedGroupMember {
        member_id: member.id.to_string().into(),
        group_instance_id: member.instance_id.as_ref().map(|id| id.to_string().into()),
        client_id: member.client_id.to_string().into(),
        client_host: member.client_host.to_string().into(),
        member_metadata: protocol.map(|name| member.metadata(name).to_vec()).unwrap_or_default().into(),
        member_assignment: member.assignment.to_vec().into(),
        ..Default::default()
    }
}
