//! AccessControlEntry (record type 18): an ACL was added (KIP-801).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// An ACL.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct AccessControlEntryRecord<'a> {
    /// The ACL's id, by which it is taken away.
    pub id: Uuid,
    /// What kind of resource: 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user.
    pub resource_type: i8,
    /// The resource's name, the prefix of names, or `*` for all.
    pub resource_name: Cow<'a, str>,
    /// How names match: 3 literally, 4 by prefix.
    pub pattern_type: i8,
    /// Who: such as `User:alice`, or `User:*` for all.
    pub principal: Cow<'a, str>,
    /// From which address; `*` for all.
    pub host: Cow<'a, str>,
    /// The operation: 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster action, 10 describe configs, 11
    /// alter configs, 12 idempotent write, 13 create tokens, 14 describe tokens, 15 two-phase commit.
    pub operation: i8,
    /// 2 denied, 3 allowed.
    pub permission_type: i8,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
