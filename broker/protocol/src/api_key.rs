//! Every API key of Kafka in one table: number, name, versions known here and versions of Kafka 4.3.1, where versions become flexible, and who may
//! ask whom in Kafka. Says what exists, not what this broker serves; `APIS.md` beside this crate is made from it.

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

/// How requests of an API travel in Kafka, where they do not simply go from a client to the node that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trait {
    /// A broker passes the request on to the active controller (KIP-590).
    Forwarded,
    /// Asked by nodes of the cluster only, which need the right to act for the cluster.
    ClusterAction,
}

struct Row {
    key: ApiKey,
    name: &'static str,
    kafka: VersionRange,
    flexible_since: i16,
    listener: Listener,
    traits: &'static [Trait],
}

macro_rules! api_keys {
    ($($name:ident = $number:literal, $min:literal..=$max:literal, kafka $kafka_min:literal..=$kafka_max:literal, flexible $flexible:expr, $listener:ident $(+ $trait:ident)*;)*) => {
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
                kafka: VersionRange::new($kafka_min, $kafka_max),
                flexible_since: $flexible,
                listener: Listener::$listener,
                traits: &[$(Trait::$trait),*],
            },
        )*];

        impl ApiKey {
            /// The versions that can be read and written here, from the lowest that Kafka still reads to the highest of 4.4.0, unstable ones
            /// too; empty for an API that Kafka has removed.
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

// Versions known here, versions that Kafka 4.3.1 lists in ApiVersions, first flexible version, listeners, and how requests travel.
api_keys! {
    Produce = 0, 3..=13, kafka 0..=13, flexible 9, Broker;
    Fetch = 1, 4..=18, kafka 4..=18, flexible 12, Both;
    ListOffsets = 2, 1..=11, kafka 1..=11, flexible 6, Broker;
    Metadata = 3, 0..=13, kafka 0..=13, flexible 9, Broker;
    LeaderAndIsr = 4, 0..=-1, kafka 0..=-1, flexible NEVER, Neither + ClusterAction;
    StopReplica = 5, 0..=-1, kafka 0..=-1, flexible NEVER, Neither + ClusterAction;
    UpdateMetadata = 6, 0..=-1, kafka 0..=-1, flexible NEVER, Neither + ClusterAction;
    ControlledShutdown = 7, 0..=-1, kafka 0..=-1, flexible NEVER, Neither + ClusterAction;
    OffsetCommit = 8, 2..=10, kafka 2..=10, flexible 8, Broker;
    OffsetFetch = 9, 1..=10, kafka 1..=10, flexible 6, Broker;
    FindCoordinator = 10, 0..=6, kafka 0..=6, flexible 3, Broker;
    JoinGroup = 11, 0..=9, kafka 0..=9, flexible 6, Broker;
    Heartbeat = 12, 0..=4, kafka 0..=4, flexible 4, Broker;
    LeaveGroup = 13, 0..=5, kafka 0..=5, flexible 4, Broker;
    SyncGroup = 14, 0..=5, kafka 0..=5, flexible 4, Broker;
    DescribeGroups = 15, 0..=6, kafka 0..=6, flexible 5, Broker;
    ListGroups = 16, 0..=5, kafka 0..=5, flexible 3, Broker;
    SaslHandshake = 17, 0..=1, kafka 0..=1, flexible NEVER, Both;
    ApiVersions = 18, 0..=5, kafka 0..=4, flexible 3, Both;
    CreateTopics = 19, 2..=7, kafka 2..=7, flexible 5, Both + Forwarded;
    DeleteTopics = 20, 1..=6, kafka 1..=6, flexible 4, Both + Forwarded;
    DeleteRecords = 21, 0..=2, kafka 0..=2, flexible 2, Broker;
    InitProducerId = 22, 0..=6, kafka 0..=5, flexible 2, Broker;
    OffsetForLeaderEpoch = 23, 2..=4, kafka 2..=4, flexible 4, Broker;
    AddPartitionsToTxn = 24, 0..=5, kafka 0..=5, flexible 3, Broker;
    AddOffsetsToTxn = 25, 0..=4, kafka 0..=4, flexible 3, Broker;
    EndTxn = 26, 0..=5, kafka 0..=5, flexible 3, Broker;
    WriteTxnMarkers = 27, 1..=2, kafka 1..=2, flexible 1, Broker + ClusterAction;
    TxnOffsetCommit = 28, 0..=6, kafka 0..=5, flexible 3, Broker;
    DescribeAcls = 29, 1..=3, kafka 1..=3, flexible 2, Both;
    CreateAcls = 30, 1..=3, kafka 1..=3, flexible 2, Both + Forwarded;
    DeleteAcls = 31, 1..=3, kafka 1..=3, flexible 2, Both + Forwarded;
    DescribeConfigs = 32, 1..=4, kafka 1..=4, flexible 4, Both;
    AlterConfigs = 33, 0..=2, kafka 0..=2, flexible 2, Both + Forwarded;
    AlterReplicaLogDirs = 34, 1..=2, kafka 1..=2, flexible 2, Broker;
    DescribeLogDirs = 35, 1..=5, kafka 1..=5, flexible 2, Broker;
    SaslAuthenticate = 36, 0..=2, kafka 0..=2, flexible 2, Both;
    CreatePartitions = 37, 0..=3, kafka 0..=3, flexible 2, Both + Forwarded;
    CreateDelegationToken = 38, 1..=3, kafka 1..=3, flexible 2, Both + Forwarded;
    RenewDelegationToken = 39, 1..=2, kafka 1..=2, flexible 2, Both + Forwarded;
    ExpireDelegationToken = 40, 1..=2, kafka 1..=2, flexible 2, Both + Forwarded;
    DescribeDelegationToken = 41, 1..=3, kafka 1..=3, flexible 2, Both;
    DeleteGroups = 42, 0..=3, kafka 0..=2, flexible 2, Broker;
    ElectLeaders = 43, 0..=2, kafka 0..=2, flexible 2, Both + Forwarded;
    IncrementalAlterConfigs = 44, 0..=1, kafka 0..=1, flexible 1, Both + Forwarded;
    AlterPartitionReassignments = 45, 0..=1, kafka 0..=1, flexible 0, Both + Forwarded;
    ListPartitionReassignments = 46, 0..=0, kafka 0..=0, flexible 0, Both + Forwarded;
    OffsetDelete = 47, 0..=0, kafka 0..=0, flexible NEVER, Broker;
    DescribeClientQuotas = 48, 0..=1, kafka 0..=1, flexible 1, Broker;
    AlterClientQuotas = 49, 0..=1, kafka 0..=1, flexible 1, Both + Forwarded;
    DescribeUserScramCredentials = 50, 0..=0, kafka 0..=0, flexible 0, Both;
    AlterUserScramCredentials = 51, 0..=0, kafka 0..=0, flexible 0, Both + Forwarded;
    Vote = 52, 0..=2, kafka 0..=2, flexible 0, Controller + ClusterAction;
    BeginQuorumEpoch = 53, 0..=1, kafka 0..=1, flexible 1, Controller + ClusterAction;
    EndQuorumEpoch = 54, 0..=1, kafka 0..=1, flexible 1, Controller + ClusterAction;
    DescribeQuorum = 55, 0..=2, kafka 0..=2, flexible 0, Both + Forwarded + ClusterAction;
    AlterPartition = 56, 2..=3, kafka 2..=3, flexible 2, Controller + ClusterAction;
    UpdateFeatures = 57, 0..=2, kafka 0..=2, flexible 0, Both + Forwarded + ClusterAction;
    Envelope = 58, 0..=0, kafka 0..=0, flexible 0, Controller + ClusterAction;
    FetchSnapshot = 59, 0..=1, kafka 0..=1, flexible 0, Controller;
    DescribeCluster = 60, 0..=2, kafka 0..=2, flexible 0, Both;
    DescribeProducers = 61, 0..=0, kafka 0..=0, flexible 0, Broker;
    BrokerRegistration = 62, 0..=4, kafka 0..=4, flexible 0, Controller + ClusterAction;
    BrokerHeartbeat = 63, 0..=2, kafka 0..=2, flexible 0, Controller + ClusterAction;
    UnregisterBroker = 64, 0..=0, kafka 0..=0, flexible 0, Both + Forwarded;
    DescribeTransactions = 65, 0..=0, kafka 0..=0, flexible 0, Broker;
    ListTransactions = 66, 0..=2, kafka 0..=2, flexible 0, Broker;
    AllocateProducerIds = 67, 0..=0, kafka 0..=0, flexible 0, Controller + Forwarded + ClusterAction;
    ConsumerGroupHeartbeat = 68, 0..=1, kafka 0..=1, flexible 0, Broker;
    ConsumerGroupDescribe = 69, 0..=1, kafka 0..=1, flexible 0, Broker;
    ControllerRegistration = 70, 0..=0, kafka 0..=0, flexible 0, Controller;
    GetTelemetrySubscriptions = 71, 0..=0, kafka 0..=0, flexible 0, Broker;
    PushTelemetry = 72, 0..=0, kafka 0..=0, flexible 0, Broker;
    AssignReplicasToDirs = 73, 0..=0, kafka 0..=0, flexible 0, Controller;
    ListConfigResources = 74, 0..=1, kafka 0..=1, flexible 0, Broker;
    DescribeTopicPartitions = 75, 0..=0, kafka 0..=0, flexible 0, Broker;
    ShareGroupHeartbeat = 76, 1..=1, kafka 1..=1, flexible 1, Broker;
    ShareGroupDescribe = 77, 1..=1, kafka 1..=1, flexible 1, Broker;
    ShareFetch = 78, 1..=2, kafka 1..=2, flexible 1, Broker;
    ShareAcknowledge = 79, 1..=2, kafka 1..=2, flexible 1, Broker;
    AddRaftVoter = 80, 0..=1, kafka 0..=1, flexible 0, Both + Forwarded;
    RemoveRaftVoter = 81, 0..=0, kafka 0..=0, flexible 0, Both + Forwarded;
    UpdateRaftVoter = 82, 0..=0, kafka 0..=0, flexible 0, Controller;
    InitializeShareGroupState = 83, 0..=0, kafka 0..=0, flexible 0, Broker + ClusterAction;
    ReadShareGroupState = 84, 0..=0, kafka 0..=0, flexible 0, Broker + ClusterAction;
    WriteShareGroupState = 85, 0..=1, kafka 0..=1, flexible 0, Broker + ClusterAction;
    DeleteShareGroupState = 86, 0..=0, kafka 0..=0, flexible 0, Broker + ClusterAction;
    ReadShareGroupStateSummary = 87, 0..=1, kafka 0..=1, flexible 0, Broker + ClusterAction;
    StreamsGroupHeartbeat = 88, 0..=1, kafka 0..=0, flexible 0, Broker;
    StreamsGroupDescribe = 89, 0..=1, kafka 0..=0, flexible 0, Broker;
    DescribeShareGroupOffsets = 90, 0..=1, kafka 0..=1, flexible 0, Broker;
    AlterShareGroupOffsets = 91, 0..=0, kafka 0..=0, flexible 0, Broker;
    DeleteShareGroupOffsets = 92, 0..=0, kafka 0..=0, flexible 0, Broker;
    StreamsGroupTopologyDescriptionUpdate = 93, 0..=0, kafka 0..=-1, flexible 0, Broker;
    UnregisterController = 94, 0..=0, kafka 0..=-1, flexible 0, Both + Forwarded;
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

    /// The versions that Kafka 4.3.1 lists in ApiVersions, and so a broker that serves the API. Not all that exist: those of later releases and
    /// unstable ones are left out, and Produce is listed from 0 although versions below 3 are refused, because old librdkafka takes a missing
    /// version 0 for a broker without compression.
    #[must_use]
    pub fn advertised_versions(self) -> VersionRange {
        self.row().map_or(VersionRange::EMPTY, |row| row.kafka)
    }

    /// The versions that a broker which serves the API answers: those that are advertised and can be read.
    #[must_use]
    pub fn answered_versions(self) -> VersionRange {
        self.versions().intersect(self.advertised_versions())
    }

    /// Which listeners answer the API in Kafka.
    #[must_use]
    pub fn listener(self) -> Listener {
        self.row().map_or(Listener::Neither, |row| row.listener)
    }

    /// True when a Kafka broker passes requests on to the active controller (KIP-590).
    #[must_use]
    pub fn is_forwarded(self) -> bool {
        self.has(Trait::Forwarded)
    }

    /// True when only nodes of the cluster ask, which need the right to act for the cluster.
    #[must_use]
    pub fn is_cluster_action(self) -> bool {
        self.has(Trait::ClusterAction)
    }

    /// True when version `version`, which need not exist, has tagged fields.
    #[must_use]
    pub fn is_flexible(self, version: i16) -> bool {
        self.row().is_some_and(|row| version >= row.flexible_since)
    }

    fn has(self, wanted: Trait) -> bool {
        self.row().is_some_and(|row| row.traits.contains(&wanted))
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
        assert_eq!(TABLE.len(), 95);
        for (number, row) in TABLE.iter().enumerate() {
            assert_eq!(row.key.number() as usize, number);
            assert_eq!(ApiKey::from_number(row.key.number()), Some(row.key));
        }
        assert_eq!(ApiKey::from_number(-1), None);
        assert_eq!(ApiKey::from_number(95), None);
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
    fn produce_is_advertised_from_zero_and_answered_from_three() {
        assert_eq!(ApiKey::Produce.advertised_versions(), VersionRange::new(0, 13));
        assert_eq!(ApiKey::Produce.answered_versions(), VersionRange::new(3, 13));
    }

    #[test]
    fn what_is_unstable_or_came_with_a_later_release_is_known_and_not_advertised() {
        let later: Vec<_> = ApiKey::all().filter(|key| key.versions() != key.answered_versions()).collect();
        let expected = [
            (ApiKey::ApiVersions, 5, 4),
            (ApiKey::InitProducerId, 6, 5),
            (ApiKey::TxnOffsetCommit, 6, 5),
            (ApiKey::DeleteGroups, 3, 2),
            (ApiKey::StreamsGroupHeartbeat, 1, 0),
            (ApiKey::StreamsGroupDescribe, 1, 0),
            (ApiKey::StreamsGroupTopologyDescriptionUpdate, 0, -1),
            (ApiKey::UnregisterController, 0, -1),
        ];
        assert_eq!(later, expected.map(|(key, ..)| key));
        for (key, known, answered) in expected {
            assert_eq!((key.versions().max, key.answered_versions().max), (known, answered), "{key}");
        }
    }

    #[test]
    fn requests_that_change_the_cluster_are_forwarded_and_those_of_its_nodes_are_cluster_actions() {
        assert!(ApiKey::CreateTopics.is_forwarded() && !ApiKey::CreateTopics.is_cluster_action());
        assert!(ApiKey::Vote.is_cluster_action() && !ApiKey::Vote.is_forwarded());
        assert!(ApiKey::UpdateFeatures.is_forwarded() && ApiKey::UpdateFeatures.is_cluster_action());
        assert!(!ApiKey::Fetch.is_forwarded() && !ApiKey::Fetch.is_cluster_action());
    }
}
