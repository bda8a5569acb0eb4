//! BrokerRegistrationChange (record type 17): what changed in a broker's registration.

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// The changed parts of a registration.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0-3", flexible = "0+")]
pub struct BrokerRegistrationChangeRecord<'a> {
    /// The broker's id.
    pub broker_id: i32,
    /// The epoch of the registration: the offset of its record.
    pub broker_epoch: i64,
    /// 1 fenced now, -1 unfenced now, 0 as before.
    #[field(tag = 0)]
    pub fenced: i8,
    /// 1 about to stop now, 0 as before.
    #[field(versions = "1+", tag = 1)]
    pub in_controlled_shutdown: i8,
    /// The ids of the log directories that work; empty when they stay.
    #[field(versions = "2+", tag = 2)]
    pub log_dirs: Vec<Uuid>,
    /// The ids of those that get no new partitions; null when they stay.
    #[field(versions = "3+", nullable = "3+", tag = 3, default = null)]
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
