//! KRaftVersion (control record type 5): the version of the quorum's protocol (KIP-853).

use barnabas_protocol_derive::Message;

use crate::UnknownTags;

/// The version of the quorum's protocol.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct KRaftVersionRecord<'a> {
    /// The version of this record, the same that it is written in.
    pub version: i16,
    /// 0 for voters fixed in the configuration, 1 for voters kept in the log.
    #[field(name = "kRaftVersion")]
    pub kraft_version: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
