//! Every API key of Kafka 4.3.1 in one table: number, name, versions, where versions become flexible, and which listeners serve it in Kafka.
//! Says what exists, not what this broker serves.

use std::fmt;

use crate::wire::VersionRange;

/// Which kind of listener answers an API in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// No one: Kafka has removed the API.
    Neither,
    /// Listeners of brokers.
    Broker,
    /// Listeners of controllers.
    Controller,
    /// Both.
    Both,
}

struct Row {
    key: ApiKey,
    name: &'static str,
    stable_max: i16,
    flexible_since: i16,
    listener: Listener,
}

macro_rules! api_keys {
    ($($name:ident = $number:literal, $min:literal..=$max:literal, stable $stable:literal, flexible $flexible:expr, $listener:ident;)*) => {
        /// An API. The name is Kafka's own, also as metric label and in logs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $(
                #[doc = concat!("API key ", stringify!($number), ".")]
                $name = $number,
            )*
        }

        /// Row n is API key n.
        static TABLE: &[Row] = &[$(
            Row {
                key: ApiKey::$name,
                name: stringify!($name),
                stable_max: $stable,
                flexible_since: $flexible,
                listener: Listener::$listener,
            },
        )*];

        impl ApiKey {
            /// The versions that exist, the lowest Kafka still reads first; empty for an API that Kafka has removed.
            #[must_use]
            pub const fn versions(self) -> VersionRange {
                match self {
                    $(Self::$name => VersionRange::new($min, $max),)*
                }
            }

            /// The versions with compact lengths and tagged fields, in request and response alike; empty when there are none.
            #[must_use]
            pub const fn flexible_versions(self) -> VersionRange {
                match self {
                    $(Self::$name => if $flexible == NEVER { VersionRange::EMPTY } else { VersionRange::new($flexible, $max) },)*
                }
            }
        }
    };
}

/// No version is flexible.
const NEVER: i16 = i16::MAX;

api_keys! {
    Produce = 0, 3..=13, stable 13, flexible 9, Broker;
    Fetch = 1, 4..=18, stable 18, flexible 12, Both;
    ListOffsets = 2, 1..=11, stable 11, flexible 6, Broker;
    Metadata = 3, 0..=13, stable 13, flexible 9, Broker;
    LeaderAndIsr = 4, 0..=-1, stable -1, flexible NEVER, Neither;
    StopReplica = 5, 0..=-1, stable -1, flexible NEVER, Neither;
    UpdateMetadata = 6, 0..=-1, stable -1, flexible NEVER, Neither;
    ControlledShutdown = 7, 0..=-1, stable -1, flexible NEVER, Neither;
    OffsetCommit = 8, 2..=10, stable 10, flexible 8, Broker;
    OffsetFetch = 9, 1..=10, stable 10, flexible 6, Broker;
    FindCoordinator = 10, 0..=6, stable 6, flexible 3, Broker;
    JoinGroup = 11, 0..=9, stable 9, flexible 6, Broker;
    Heartbeat = 12, 0..=4, stable 4, flexible 4, Broker;
    LeaveGroup = 13, 0..=5, stable 5, flexible 4, Broker;
    SyncGroup = 14, 0..=5, stable 5, flexible 4, Broker;
    DescribeGroups = 15, 0..=6, stable 6, flexible 5, Broker;
    ListGroups = 16, 0..=5, stable 5, flexible 3, Broker;
    SaslHandshake = 17, 0..=1, stable 1, flexible NEVER, Both;
    ApiVersions = 18, 0..=4, stable 4, flexible 3, Both;
    CreateTopics = 19, 2..=7, stable 7, flexible 5, Both;
    DeleteTopics = 20, 1..=6, stable 6, flexible 4, Both;
    DeleteRecords = 21, 0..=2, stable 2, flexible 2, Broker;
    InitProducerId = 22, 0..=6, stable 5, flexible 2, Broker;
    OffsetForLeaderEpoch = 23, 2..=4, stable 4, flexible 4, Broker;
    AddPartitionsToTxn = 24, 0..=5, stable 5, flexible 3, Broker;
    AddOffsetsToTxn = 25, 0..=4, stable 4, flexible 3, Broker;
    EndTxn = 26, 0..=5, stable 5, flexible 3, Broker;
    WriteTxnMarkers = 27, 1..=2, stable 2, flexible 1, Broker;
    TxnOffsetCommit = 28, 0..=5, stable 5, flexible 3, Broker;
    DescribeAcls = 29, 1..=3, stable 3, flexible 2, Both;
    CreateAcls = 30, 1..=3, stable 3, flexible 2, Both;
    DeleteAcls = 31, 1..=3, stable 3, flexible 2, Both;
    DescribeConfigs = 32, 1..=4, stable 4, flexible 4, Both;
    AlterConfigs = 33, 0..=2, stable 2, flexible 2, Both;
    AlterReplicaLogDirs = 34, 1..=2, stable 2, flexible 2, Broker;
    DescribeLogDirs = 35, 1..=5, stable 5, flexible 2, Broker;
    SaslAuthenticate = 36, 0..=2, stable 2, flexible 2, Both;
    CreatePartitions = 37, 0..=3, stable 3, flexible 2, Both;
    CreateDelegationToken = 38, 1..=3, stable 3, flexible 2, Both;
    RenewDelegationToken = 39, 1..=2, stable 2, flexible 2, Both;
    ExpireDelegationToken = 40, 1..=2, stable 2, flexible 2, Both;
    DescribeDelegationToken = 41, 1..=3, stable 3, flexible 2, Both;
    DeleteGroups = 42, 0..=2, stable 2, flexible 2, Broker;
    ElectLeaders = 43, 0..=2, stable 2, flexible 2, Both;
    IncrementalAlterConfigs = 44, 0..=1, stable 1, flexible 1, Both;
    AlterPartitionReassignments = 45, 0..=1, stable 1, flexible 0, Both;
    ListPartitionReassignments = 46, 0..=0, stable 0, flexible 0, Both;
    OffsetDelete = 47, 0..=0, stable 0, flexible NEVER, Broker;
    DescribeClientQuotas = 48, 0..=1, stable 1, flexible 1, Broker;
    AlterClientQuotas = 49, 0..=1, stable 1, flexible 1, Both;
    DescribeUserScramCredentials = 50, 0..=0, stable 0, flexible 0, Both;
    AlterUserScramCredentials = 51, 0..=0, stable 0, flexible 0, Both;
    Vote = 52, 0..=2, stable 2, flexible 0, Controller;
    BeginQuorumEpoch = 53, 0..=1, stable 1, flexible 1, Controller;
    EndQuorumEpoch = 54, 0..=1, stable 1, flexible 1, Controller;
    DescribeQuorum = 55, 0..=2, stable 2, flexible 0, Both;
    AlterPartition = 56, 2..=3, stable 3, flexible 2, Controller;
    UpdateFeatures = 57, 0..=2, stable 2, flexible 0, Both;
    Envelope = 58, 0..=0, stable 0, flexible 0, Controller;
    FetchSnapshot = 59, 0..=1, stable 1, flexible 0, Controller;
    DescribeCluster = 60, 0..=2, stable 2, flexible 0, Both;
    DescribeProducers = 61, 0..=0, stable 0, flexible 0, Broker;
    BrokerRegistration = 62, 0..=4, stable 4, flexible 0, Controller;
    BrokerHeartbeat = 63, 0..=2, stable 2, flexible 0, Controller;
    UnregisterBroker = 64, 0..=0, stable 0, flexible 0, Both;
    DescribeTransactions = 65, 0..=0, stable 0, flexible 0, Broker;
    ListTransactions = 66, 0..=2, stable 2, flexible 0, Broker;
    AllocateProducerIds = 67, 0..=0, stable 0, flexible 0, Controller;
    ConsumerGroupHeartbeat = 68, 0..=1, stable 1, flexible 0, Broker;
    ConsumerGroupDescribe = 69, 0..=1, stable 1, flexible 0, Broker;
    ControllerRegistration = 70, 0..=0, stable 0, flexible 0, Controller;
    GetTelemetrySubscriptions = 71, 0..=0, stable 0, flexible 0, Broker;
    PushTelemetry = 72, 0..=0, stable 0, flexible 0, Broker;
    AssignReplicasToDirs = 73, 0..=0, stable 0, flexible 0, Controller;
    ListConfigResources = 74, 0..=1, stable 1, flexible 0, Broker;
    DescribeTopicPartitions = 75, 0..=0, stable 0, flexible 0, Broker;
    ShareGroupHeartbeat = 76, 1..=1, stable 1, flexible 1, Broker;
    ShareGroupDescribe = 77, 1..=1, stable 1, flexible 1, Broker;
    ShareFetch = 78, 1..=2, stable 2, flexible 1, Broker;
    ShareAcknowledge = 79, 1..=2, stable 2, flexible 1, Broker;
    AddRaftVoter = 80, 0..=1, stable 1, flexible 0, Both;
    RemoveRaftVoter = 81, 0..=0, stable 0, flexible 0, Both;
    UpdateRaftVoter = 82, 0..=0, stable 0, flexible 0, Controller;
    InitializeShareGroupState = 83, 0..=0, stable 0, flexible 0, Broker;
    ReadShareGroupState = 84, 0..=0, stable 0, flexible 0, Broker;
    WriteShareGroupState = 85, 0..=1, stable 1, flexible 0, Broker;
    DeleteShareGroupState = 86, 0..=0, stable 0, flexible 0, Broker;
    ReadShareGroupStateSummary = 87, 0..=1, stable 1, flexible 0, Broker;
    StreamsGroupHeartbeat = 88, 0..=0, stable 0, flexible 0, Broker;
    StreamsGroupDescribe = 89, 0..=0, stable 0, flexible 0, Broker;
    DescribeShareGroupOffsets = 90, 0..=1, stable 1, flexible 0, Broker;
    AlterShareGroupOffsets = 91, 0..=0, stable 0, flexible 0, Broker;
    DeleteShareGroupOffsets = 92, 0..=0, stable 0, flexible 0, Broker;
}

impl ApiKey {
    /// The API with this number.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        usize::try_from(number).ok().and_then(|number| TABLE.get(number)).map(|row| row.key)
    }

    /// All APIs by number, the removed ones too.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.key)
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// Kafka's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("", |row| row.name)
    }

    /// The versions that a broker which serves the API lists in ApiVersions. Not all that exist: an unstable version is left out, and Produce is
    /// listed from 0 although versions below 3 are refused, because old librdkafka takes a missing version 0 for a broker without compression.
    #[must_use]
    pub fn advertised_versions(self) -> VersionRange {
        let max = self.row().map_or(-1, |row| row.stable_max);
        let min = if self == Self::Produce { 0 } else { self.versions().min };
        VersionRange::new(min, max)
    }

    /// Which listeners answer the API in Kafka.
    #[must_use]
    pub fn listener(self) -> Listener {
        self.row().map_or(Listener::Neither, |row| row.listener)
    }

    /// True when version `version`, which need not exist, has tagged fields.
    #[must_use]
    pub fn is_flexible(self, version: i16) -> bool {
        self.row().is_some_and(|row| version >= row.flexible_since)
    }

    fn row(self) -> Option<&'static Row> {
        usize::try_from(self.number()).ok().and_then(|number| TABLE.get(number))
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_n_is_api_key_n() {
        assert_eq!(TABLE.len(), 93);
        for (number, row) in TABLE.iter().enumerate() {
            assert_eq!(row.key.number() as usize, number);
            assert_eq!(ApiKey::from_number(row.key.number()), Some(row.key));
        }
        assert_eq!(ApiKey::from_number(-1), None);
        assert_eq!(ApiKey::from_number(93), None);
    }

    #[test]
    fn four_apis_are_gone_and_the_others_have_versions() {
        let removed: Vec<_> = ApiKey::all().filter(|key| key.versions().is_empty()).collect();
        assert_eq!(
            removed,
            [ApiKey::LeaderAndIsr, ApiKey::StopReplica, ApiKey::UpdateMetadata, ApiKey::ControlledShutdown]
        );
        for key in removed {
            assert_eq!((key.advertised_versions().is_empty(), key.listener()), (true, Listener::Neither));
        }
    }

    #[test]
    fn produce_is_advertised_from_zero_and_no_unstable_version_is() {
        assert_eq!(ApiKey::Produce.advertised_versions(), VersionRange::new(0, 13));
        assert_eq!(ApiKey::InitProducerId.advertised_versions(), VersionRange::new(0, 5));
        assert_eq!(ApiKey::InitProducerId.versions(), VersionRange::new(0, 6));
    }
}
