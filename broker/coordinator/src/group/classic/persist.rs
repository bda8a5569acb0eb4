//! A classic group as a record and back. What is not in the record (parked requests, pending members, deadlines) is soft and
//! is lost with the shard: clients ask again.

use std::sync::Arc;

use barnabas_protocol::records::coordinator::group_metadata::MemberMetadata;
use barnabas_protocol::records::coordinator::{GroupMetadataKey, GroupMetadataValue};
use barnabas_types::Timestamp;

use super::member::{Introduction, Member, Protocol};
use super::state::{ClassicGroup, Phase};
use crate::group::{GroupConfig, GroupError};
use crate::record::{DecodeRecordError, Record, encode};

impl ClassicGroup {
    /// The record that a reload brings this generation back from.
    pub(crate) fn to_record(&self) -> Record {
        let protocol = self.protocol_name.as_deref().unwrap_or_default();
        let members = self.members().map(|member| MemberMetadata {
            member_id: member.id.to_string().into(),
            group_instance_id: member.instance_id.as_ref().map(|id| id.to_string().into()),
            client_id: member.client_id.to_string().into(),
            client_host: member.client_host.to_string().into(),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: member.metadata(protocol).to_vec().into(),
            assignment: member.assignment.to_vec().into(),
            ..Default::default()
        });
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.as_deref().unwrap_or_default().to_owned().into(),
            generation: self.generation,
            protocol: self.protocol_name.as_deref().map(|name| name.to_owned().into()),
            leader: self.leader.as_deref().map(|leader| leader.to_owned().into()),
            current_state_timestamp: self.phase_since.unwrap_or(Timestamp::NONE).0,
            members: members.collect(),
            ..Default::default()
        };
        let key = GroupMetadataKey { group: self.id.to_string().into() };
        Record::GroupMetadata { key, value: Some(value) }
    }

    /// [`Self::to_record`], unless the partition would refuse it for its size.
    pub(super) fn to_bounded_record(&self, config: &GroupConfig) -> Result<Record, GroupError> {
        let record = self.to_record();
        // What cannot be written at all is too large as well: a string has outgrown the format.
        let bytes = encode(&record).map_or(usize::MAX, |encoded| encoded.size());
        if bytes > config.max_record_bytes {
            let max_bytes = config.max_record_bytes;
            return Err(GroupError::AssignmentTooLarge { group_id: self.id_text(), bytes, max_bytes });
        }
        Ok(record)
    }

    /// The group that a record describes: stable if it has members, else empty.
    pub(crate) fn from_record(
        key: &GroupMetadataKey<'_>,
        value: &GroupMetadataValue<'_>,
    ) -> Result<Self, DecodeRecordError> {
        let contradiction = |what| DecodeRecordError::Contradiction { group_id: (&*key.group).into(), what };
        let since = Some(Timestamp(value.current_state_timestamp)).filter(|since| *since != Timestamp::NONE);
        let mut group = Self::new(Arc::from(&*key.group), since);
        group.generation = value.generation;
        group.protocol_name = value.protocol.as_deref().map(Into::into);
        for member in &value.members {
            let protocol = value.protocol.as_deref().ok_or_else(|| contradiction("it has members and no protocol"))?;
            let member = member_from_record(member, &value.protocol_type, protocol);
            if group.member(&member.id).is_some() {
                return Err(contradiction("it has two members with one id"));
            }
            if member.instance_id.as_deref().is_some_and(|id| group.static_member_id(id).is_some()) {
                return Err(contradiction("it has two members with one group.instance.id"));
            }
            group.add(member);
        }
        group.protocol_type = Some(&*value.protocol_type).filter(|name| !name.is_empty()).map(Into::into);
        if let Some(leader) = value.leader.as_deref().and_then(|leader| group.member(leader)) {
            group.leader = Some(Arc::clone(&leader.id));
        }
        group.phase = if group.member_count() == 0 { Phase::Empty } else { Phase::Stable };
        group.refresh_subscription();
        Ok(group)
    }
}

fn member_from_record(member: &MemberMetadata<'_>, protocol_type: &str, protocol: &str) -> Member {
    // Version 0 has no rebalance timeout.
    let rebalance_timeout_ms =
        if member.rebalance_timeout < 0 { member.session_timeout } else { member.rebalance_timeout };
    let mut loaded = Member::new(
        Arc::from(&*member.member_id),
        Introduction {
            instance_id: member.group_instance_id.as_deref().map(Arc::from),
            client_id: (&*member.client_id).into(),
            client_host: (&*member.client_host).into(),
            rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout,
            protocol_type: protocol_type.into(),
            protocols: vec![Protocol { name: protocol.into(), metadata: (&*member.subscription).into() }],
        },
    );
    loaded.assignment = (&*member.assignment).into();
    loaded
}
