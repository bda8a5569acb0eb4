//! KRaftVoters (control record type 6): the voters of the quorum, from this record on (KIP-853).

use std::borrow::Cow;

use barnabas_protocol_derive::Message;
use barnabas_types::Uuid;

use crate::UnknownTags;

/// The voters of the quorum.
#[derive(Clone, Debug, PartialEq, Message)]
#[message(versions = "0", flexible = "0+")]
pub struct VotersRecord<'a> {
    /// The version of this record, the same that it is written in.
    pub version: i16,
    /// The voters.
    pub voters: Vec<Voter<'a>>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// A voter, its addresses and what it is able to run.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Voter<'a> {
    /// The voter's node id.
    pub voter_id: i32,
    /// The id of the voter's metadata log directory.
    pub voter_directory_id: Uuid,
    /// The voter's addresses, by listener.
    pub endpoints: Vec<Endpoint<'a>>,
    /// What the voter is able to run.
    #[field(name = "kRaftVersionFeature")]
    pub kraft_version_feature: KRaftVersionFeature<'a>,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// An address of the voter.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct Endpoint<'a> {
    /// The listener's name.
    pub name: Cow<'a, str>,
    /// The host name or address to connect to.
    pub host: Cow<'a, str>,
    /// The port to connect to.
    pub port: u16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}

/// The versions of the quorum's protocol that the voter is able to run.
#[derive(Clone, Debug, PartialEq, Message)]
pub struct KRaftVersionFeature<'a> {
    /// The lowest version.
    pub min_supported_version: i16,
    /// The highest version.
    pub max_supported_version: i16,
    /// Tagged fields that are not known here.
    pub unknown_tags: UnknownTags<'a>,
}
