//! CreateAcls (key 30): adds ACLs (KIP-140, KIP-290, KIP-373).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Adds ACLs, each for itself.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = CreateAcls, response = CreateAclsResponse)]
pub struct CreateAclsRequest<'a> {
    /// The ACLs to add.
    pub creations: Vec<AclCreation<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// An ACL to add.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AclCreation<'a> {
    /// What the ACL is about: 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user (since version 3).
    pub resource_type: i8,
    /// The resource's name, or the beginning of names, as the pattern type says; `*` for all, `kafka-cluster` for the cluster.
    pub resource_name: Cow<'a, str>,
    /// How the name is meant: 3 literally, 4 as the beginning of names.
    #[field(default = 3)]
    pub resource_pattern_type: i8,
    /// Whom the ACL is about, such as `User:alice`; `User:*` for everyone.
    pub principal: Cow<'a, str>,
    /// The address that the principal comes from; `*` for any.
    pub host: Cow<'a, str>,
    /// The operation: 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster action, 10 describe configs, 11
    /// alter configs, 12 idempotent write, 13 create tokens, 14 describe tokens, 15 two-phase commit.
    pub operation: i8,
    /// 2 denies it, 3 allows it.
    pub permission_type: i8,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of each ACL.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = CreateAcls)]
pub struct CreateAclsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// The results, in the order of the request.
    pub results: Vec<AclCreationResult<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// What became of one ACL.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AclCreationResult<'a> {
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
