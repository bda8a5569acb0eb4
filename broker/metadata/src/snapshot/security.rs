//! Records of who may do what, and how much: access control entries, quotas, credentials, delegation tokens.

use std::borrow::Cow;

use barnabas_protocol::records::metadata::client_quota::EntityData;
use barnabas_protocol::records::metadata::{
    AccessControlEntryRecord, ClientQuotaRecord, DelegationTokenRecord, MetadataRecord, UserScramCredentialRecord,
};
use barnabas_types::Uuid;

use crate::{AccessControlEntry, DelegationToken, QuotaEntity, QuotaValue, ScramCredential, ScramMechanism};

/// The record of an access control entry.
pub(crate) fn acl(id: Uuid, entry: &AccessControlEntry) -> MetadataRecord<'_> {
    MetadataRecord::AccessControlEntry(AccessControlEntryRecord {
        id,
        resource_type: entry.resource_type,
        resource_name: Cow::Borrowed(&entry.resource_name),
        pattern_type: entry.pattern_type,
        principal: Cow::Borrowed(&entry.principal),
        host: Cow::Borrowed(&entry.host),
        operation: entry.operation,
        permission_type: entry.permission_type,
        ..AccessControlEntryRecord::default()
    })
}

/// The record of one quota of an entity.
pub(crate) fn client_quota<'a>(entity: &'a QuotaEntity, key: &'a str, value: QuotaValue) -> MetadataRecord<'a> {
    let dimension = |(entity_type, entity_name): (&'a str, Option<&'a str>)| EntityData {
        entity_type: Cow::Borrowed(entity_type),
        entity_name: entity_name.map(Cow::Borrowed),
        ..EntityData::default()
    };
    MetadataRecord::ClientQuota(ClientQuotaRecord {
        entity: entity.dimensions().map(dimension).collect(),
        key: Cow::Borrowed(key),
        value: value.0,
        remove: false,
        ..ClientQuotaRecord::default()
    })
}

/// The record of a SCRAM credential.
pub(crate) fn scram_credential<'a>(
    mechanism: ScramMechanism,
    user: &'a str,
    credential: &'a ScramCredential,
) -> MetadataRecord<'a> {
    MetadataRecord::UserScramCredential(UserScramCredentialRecord {
        name: Cow::Borrowed(user),
        mechanism: mechanism.id(),
        salt: Cow::Borrowed(&credential.salt),
        stored_key: Cow::Borrowed(&credential.stored_key),
        server_key: Cow::Borrowed(&credential.server_key),
        iterations: credential.iterations,
        ..UserScramCredentialRecord::default()
    })
}

/// The record of a delegation token.
pub(crate) fn delegation_token<'a>(id: &'a str, token: &'a DelegationToken) -> MetadataRecord<'a> {
    MetadataRecord::DelegationToken(DelegationTokenRecord {
        owner: Cow::Borrowed(&token.owner),
        requester: Cow::Borrowed(&token.requester),
        renewers: token.renewers.iter().map(|renewer| Cow::Borrowed(renewer.as_ref())).collect(),
        issue_timestamp: token.issued.0,
        max_timestamp: token.renewable_until.0,
        expiration_timestamp: token.expires.0,
        token_id: Cow::Borrowed(id),
        ..DelegationTokenRecord::default()
    })
}
