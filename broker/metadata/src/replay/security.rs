//! Records of who may do what, and how much: access control entries, quotas, credentials, delegation tokens. What takes away
//! something that is not there does nothing, as in Kafka, but for access control entries.

use barnabas_protocol::records::metadata::{
    AccessControlEntryRecord, ClientQuotaRecord, DelegationTokenRecord, RemoveAccessControlEntryRecord,
    RemoveDelegationTokenRecord, RemoveUserScramCredentialRecord, UserScramCredentialRecord,
};
use barnabas_types::Timestamp;

use super::ReplayError;
use crate::{
    AccessControlEntry, Acls, ClientQuotas, DelegationToken, DelegationTokens, QuotaEntity, QuotaValue,
    ScramCredential, ScramCredentials, ScramMechanism,
};

pub(super) fn acl(acls: &mut Acls, record: &AccessControlEntryRecord<'_>) -> Result<(), ReplayError> {
    const NAME: &str = "AccessControlEntryRecord";
    if acls.get(record.id).is_some() {
        return Err(ReplayError::AclExists { id: record.id });
    }
    let known = [
        ("resourceType", record.resource_type, 2..=7),
        ("patternType", record.pattern_type, 3..=4),
        ("operation", record.operation, 2..=15),
        ("permissionType", record.permission_type, 2..=3),
    ];
    // What is not understood must not become an entry that says less than was meant.
    for (field, value, range) in known {
        if !range.contains(&value) {
            return Err(ReplayError::UnknownValue { record: NAME, field, value: value.into() });
        }
    }
    let entry = AccessControlEntry {
        resource_type: record.resource_type,
        resource_name: record.resource_name.as_ref().into(),
        pattern_type: record.pattern_type,
        principal: record.principal.as_ref().into(),
        host: record.host.as_ref().into(),
        operation: record.operation,
        permission_type: record.permission_type,
    };
    acls.insert(record.id, entry);
    Ok(())
}

pub(super) fn remove_acl(acls: &mut Acls, record: &RemoveAccessControlEntryRecord<'_>) -> Result<(), ReplayError> {
    acls.remove(record.id).map(drop).ok_or(ReplayError::UnknownAcl { id: record.id })
}

pub(super) fn client_quota(quotas: &mut ClientQuotas, record: &ClientQuotaRecord<'_>) {
    let dimensions = record.entity.iter().map(|data| (data.entity_type.as_ref(), data.entity_name.as_deref()));
    let value = (!record.remove).then_some(QuotaValue(record.value));
    quotas.set(&QuotaEntity::new(dimensions), &record.key, value);
}

pub(super) fn scram_credential(
    credentials: &mut ScramCredentials,
    record: &UserScramCredentialRecord<'_>,
) -> Result<(), ReplayError> {
    let credential = ScramCredential {
        salt: record.salt.as_ref().into(),
        stored_key: record.stored_key.as_ref().into(),
        server_key: record.server_key.as_ref().into(),
        iterations: record.iterations,
    };
    credentials.insert(mechanism("UserScramCredentialRecord", record.mechanism)?, &record.name, credential);
    Ok(())
}

pub(super) fn remove_scram_credential(
    credentials: &mut ScramCredentials,
    record: &RemoveUserScramCredentialRecord<'_>,
) -> Result<(), ReplayError> {
    credentials.remove(mechanism("RemoveUserScramCredentialRecord", record.mechanism)?, &record.name);
    Ok(())
}

fn mechanism(record: &'static str, id: i8) -> Result<ScramMechanism, ReplayError> {
    ScramMechanism::from_id(id).ok_or(ReplayError::UnknownValue { record, field: "mechanism", value: id.into() })
}

pub(super) fn delegation_token(tokens: &mut DelegationTokens, record: &DelegationTokenRecord<'_>) {
    let token = DelegationToken {
        owner: record.owner.as_ref().into(),
        requester: record.requester.as_ref().into(),
        renewers: record.renewers.iter().map(|renewer| renewer.as_ref().into()).collect(),
        issued: Timestamp(record.issue_timestamp),
        renewable_until: Timestamp(record.max_timestamp),
        expires: Timestamp(record.expiration_timestamp),
    };
    tokens.insert(&record.token_id, token);
}

pub(super) fn remove_delegation_token(tokens: &mut DelegationTokens, record: &RemoveDelegationTokenRecord<'_>) {
    tokens.remove(&record.token_id);
}
