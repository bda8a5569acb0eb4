//! The lists of records, one for each log that Kafka keeps records in. Whatever is done with every record is made from them: the enum of each log, the
//! tests, the fuzz targets. Hold names and record types and nothing else. What follows a macro's name is handed to it before the rows.
//! The records themselves are here too, so that one `use` brings what the rows name.

pub use super::control::*;
pub use super::coordinator::*;
pub use super::data::*;
pub use super::metadata::*;
pub use super::remote_log::*;
pub use super::share::*;
pub use super::transaction::*;

/// Calls the macro `apply` with every record of the metadata log: `TopicRecord` is a row `Topic(TopicRecord) = 2;`, variant, record, record type.
#[macro_export]
#[doc(hidden)]
macro_rules! every_metadata_record {
    ($apply:ident $($before:tt)*) => {
        $apply! {
            $($before)*
            RegisterBroker(RegisterBrokerRecord) = 0;
            UnregisterBroker(UnregisterBrokerRecord) = 1;
            Topic(TopicRecord) = 2;
            Partition(PartitionRecord) = 3;
            Config(ConfigRecord) = 4;
            PartitionChange(PartitionChangeRecord) = 5;
            FenceBroker(FenceBrokerRecord) = 7;
            UnfenceBroker(UnfenceBrokerRecord) = 8;
            RemoveTopic(RemoveTopicRecord) = 9;
            DelegationToken(DelegationTokenRecord) = 10;
            UserScramCredential(UserScramCredentialRecord) = 11;
            FeatureLevel(FeatureLevelRecord) = 12;
            ClientQuota(ClientQuotaRecord) = 14;
            ProducerIds(ProducerIdsRecord) = 15;
            BrokerRegistrationChange(BrokerRegistrationChangeRecord) = 17;
            AccessControlEntry(AccessControlEntryRecord) = 18;
            RemoveAccessControlEntry(RemoveAccessControlEntryRecord) = 19;
            NoOp(NoOpRecord) = 20;
            ZkMigrationState(ZkMigrationStateRecord) = 21;
            RemoveUserScramCredential(RemoveUserScramCredentialRecord) = 22;
            BeginTransaction(BeginTransactionRecord) = 23;
            EndTransaction(EndTransactionRecord) = 24;
            AbortTransaction(AbortTransactionRecord) = 25;
            RemoveDelegationToken(RemoveDelegationTokenRecord) = 26;
            RegisterController(RegisterControllerRecord) = 27;
            ClearElr(ClearElrRecord) = 28;
        }
    };
}

/// Calls the macro `apply` with every control record of the quorum: `KRaftVersion(KRaftVersionRecord) = 5;` is variant, record, control record type.
#[macro_export]
#[doc(hidden)]
macro_rules! every_control_record {
    ($apply:ident $($before:tt)*) => {
        $apply! {
            $($before)*
            LeaderChange(LeaderChangeMessage) = 2;
            SnapshotHeader(SnapshotHeaderRecord) = 3;
            SnapshotFooter(SnapshotFooterRecord) = 4;
            KRaftVersion(KRaftVersionRecord) = 5;
            KRaftVoters(VotersRecord) = 6;
        }
    };
}

/// Calls the macro `apply` with every record of `__consumer_offsets`: `OffsetCommit(OffsetCommitKey, OffsetCommitValue) = 1;` is variant, key, value,
/// record type.
#[macro_export]
#[doc(hidden)]
macro_rules! every_group_record {
    ($apply:ident $($before:tt)*) => {
        $apply! {
            $($before)*
            LegacyOffsetCommit(LegacyOffsetCommitKey, LegacyOffsetCommitValue) = 0;
            OffsetCommit(OffsetCommitKey, OffsetCommitValue) = 1;
            GroupMetadata(GroupMetadataKey, GroupMetadataValue) = 2;
            ConsumerGroupMetadata(ConsumerGroupMetadataKey, ConsumerGroupMetadataValue) = 3;
            ConsumerGroupPartitionMetadata(ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue) = 4;
            ConsumerGroupMemberMetadata(ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue) = 5;
            ConsumerGroupTargetAssignmentMetadata(ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue) = 6;
            ConsumerGroupTargetAssignmentMember(ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue) = 7;
            ConsumerGroupCurrentMemberAssignment(ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue) = 8;
            ShareGroupMemberMetadata(ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue) = 10;
            ShareGroupMetadata(ShareGroupMetadataKey, ShareGroupMetadataValue) = 11;
            ShareGroupTargetAssignmentMetadata(ShareGroupTargetAssignmentMetadataKey, ShareGroupTargetAssignmentMetadataValue) = 12;
            ShareGroupTargetAssignmentMember(ShareGroupTargetAssignmentMemberKey, ShareGroupTargetAssignmentMemberValue) = 13;
            ShareGroupCurrentMemberAssignment(ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue) = 14;
            ShareGroupStatePartitionMetadata(ShareGroupStatePartitionMetadataKey, ShareGroupStatePartitionMetadataValue) = 15;
            ConsumerGroupRegularExpression(ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue) = 16;
            StreamsGroupMetadata(StreamsGroupMetadataKey, StreamsGroupMetadataValue) = 17;
            StreamsGroupMemberMetadata(StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue) = 19;
            StreamsGroupTargetAssignmentMetadata(StreamsGroupTargetAssignmentMetadataKey, StreamsGroupTargetAssignmentMetadataValue) = 20;
            StreamsGroupTargetAssignmentMember(StreamsGroupTargetAssignmentMemberKey, StreamsGroupTargetAssignmentMemberValue) = 21;
            StreamsGroupCurrentMemberAssignment(StreamsGroupCurrentMemberAssignmentKey, StreamsGroupCurrentMemberAssignmentValue) = 22;
            StreamsGroupTopology(StreamsGroupTopologyKey, StreamsGroupTopologyValue) = 23;
        }
    };
}

/// Calls the macro `apply` with every record of `__transaction_state`, in rows as those of `__consumer_offsets`.
#[macro_export]
#[doc(hidden)]
macro_rules! every_transaction_record {
    ($apply:ident $($before:tt)*) => {
        $apply! {
            $($before)*
            Transaction(TransactionLogKey, TransactionLogValue) = 0;
        }
    };
}

/// Calls the macro `apply` with every record of `__share_group_state`, in rows as those of `__consumer_offsets`.
#[macro_export]
#[doc(hidden)]
macro_rules! every_share_record {
    ($apply:ident $($before:tt)*) => {
        $apply! {
            $($before)*
            ShareSnapshot(ShareSnapshotKey, ShareSnapshotValue) = 0;
            ShareUpdate(ShareUpdateKey, ShareUpdateValue) = 1;
        }
    };
}

/// Calls the macro `apply` with every record of `__remote_log_metadata`, in rows as those of the metadata log.
#[macro_export]
#[doc(hidden)]
macro_rules! every_remote_log_record {
    ($apply:ident $($before:tt)*) => {
        $apply! {
            $($before)*
            RemoteLogSegmentMetadata(RemoteLogSegmentMetadataRecord) = 0;
            RemoteLogSegmentMetadataUpdate(RemoteLogSegmentMetadataUpdateRecord) = 1;
            RemotePartitionDeleteMetadata(RemotePartitionDeleteMetadataRecord) = 2;
            RemoteLogSegmentMetadataSnapshot(RemoteLogSegmentMetadataSnapshotRecord) = 3;
        }
    };
}

/// Calls the macro `apply` with every structure that Kafka's schemas call data and that is in none of the other lists: `EndTxnMarker;` is a type.
#[macro_export]
#[doc(hidden)]
macro_rules! every_data_structure {
    ($apply:ident $($before:tt)*) => {
        $apply! {
            $($before)*
            AbortedTxn;
            ConsumerProtocolAssignment<'_>;
            ConsumerProtocolSubscription<'_>;
            ControlRecordTypeSchema;
            DefaultPrincipalData<'_>;
            EndTxnMarker;
            ProducerSnapshot;
            QuorumStateData<'_>;
        }
    };
}

/// Calls the macro `apply` once for each list, with the list's name before its rows: `metadata`, `control`, `group`, `transaction`, `share`,
/// `remote_log`. A row's records stand in parentheses, so that `$variant:ident($($record:ident),+) = $number:literal;` matches those of all lists.
#[macro_export]
#[doc(hidden)]
macro_rules! every_record {
    ($apply:ident $($before:tt)*) => {
        $crate::every_metadata_record!($apply $($before)* metadata);
        $crate::every_control_record!($apply $($before)* control);
        $crate::every_group_record!($apply $($before)* group);
        $crate::every_transaction_record!($apply $($before)* transaction);
        $crate::every_share_record!($apply $($before)* share);
        $crate::every_remote_log_record!($apply $($before)* remote_log);
    };
}
