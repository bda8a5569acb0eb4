//! DescribeAcls (key 29): the ACLs that match a filter (KIP-140, KIP-290, KIP-373).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;

use crate::{ErrorCode, UnknownTags};

/// Asks for the ACLs that match all of the filter.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(request = DescribeAcls, response = DescribeAclsResponse)]
pub struct DescribeAclsRequest<'a> {
    /// What the ACLs are about: 1 any, 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user (since version 3).
    pub resource_type_filter: i8,
    /// The resource's name; null for any.
    #[field(nullable = "0+")]
    pub resource_name_filter: Option<Cow<'a, str>>,
    /// How the name is compared: 1 with ACLs of either pattern type, 2 with all that apply to a resource of this name, 3 with literal
    /// ones, 4 with prefixes.
    #[field(default = 3)]
    pub pattern_type_filter: i8,
    /// The principal, such as `User:alice`; null for any.
    #[field(nullable = "0+")]
    pub principal_filter: Option<Cow<'a, str>>,
    /// The address; null for any.
    #[field(nullable = "0+")]
    pub host_filter: Option<Cow<'a, str>>,
    /// The operation: 1 any, 2 all, 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster action, 10 describe configs,
    /// 11 alter configs, 12 idempotent write, 13 create tokens, 14 describe tokens, 15 two-phase commit.
    pub operation: i8,
    /// The permission: 1 either, 2 denies, 3 allows.
    pub permission_type: i8,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The ACLs found, by resource.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(response_to = DescribeAcls)]
pub struct DescribeAclsResponse<'a> {
    /// How long the client is held back for exceeding a quota, in milliseconds; 0 when it is not.
    pub throttle_time_ms: i32,
    /// What went wrong, or NONE.
    pub error_code: ErrorCode,
    /// What went wrong, in words; null when nothing did or the code says it all.
    #[field(nullable = "0+")]
    pub error_message: Option<Cow<'a, str>>,
    /// The ACLs by resource.
    pub resources: Vec<DescribeAclsResource<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The ACLs of one resource.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct DescribeAclsResource<'a> {
    /// What the ACL is about: 2 topic, 3 group, 4 cluster, 5 transactional id, 6 delegation token, 7 user (since version 3).
    pub resource_type: i8,
    /// The resource's name, or the beginning of names, as the pattern type says; `*` for all, `kafka-cluster` for the cluster.
    pub resource_name: Cow<'a, str>,
    /// How the name is meant: 3 literally, 4 as the beginning of names.
    #[field(default = 3)]
    pub pattern_type: i8,
    /// The ACLs.
    pub acls: Vec<AclDescription<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// One ACL of the resource.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct AclDescription<'a> {
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
