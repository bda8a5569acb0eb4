//! RemoveAccessControlEntry (record type 19): an ACL was taken away (KIP-801).

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// An ACL that is gone.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct RemoveAccessControlEntryRecord<'a> {
    /// The ACL's id.
    pub id: Uuid,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
