//! The lists of records, one for each log that Kafka keeps records in. Whatever is done with every record is made from them: the enum of each log, the
//! tests, the fuzz targets. Hold names and record types and nothing else. What follows a macro's name is handed to it before the rows.
//! The records themselves are here too, so that one `use` brings what the rows name.

pub use super::control::*;
pub use super::coordinator::*;
pub use super::metadata::*;
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
            RemoveTopic(RemoveTopicRecord) = 9;
            FeatureLevel(FeatureLevelRecord) = 12;
            ProducerIds(ProducerIdsRecord) = 15;
            BrokerRegistrationChange(BrokerRegistrationChangeRecord) = 17;
            NoOp(NoOpRecord) = 20;
            BeginTransaction(BeginTransactionRecord) = 23;
            EndTransaction(EndTransactionRecord) = 24;
            AbortTransaction(AbortTransactionRecord) = 25;
            RegisterController(RegisterControllerRecord) = 27;
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

/// Calls the macro `apply` once for each list, with the list's name before its rows: `metadata`, `control`, `group`, `transaction`. A row's records
/// stand in parentheses, so that `$variant:ident($($record:ident),+) = $number:literal;` matches those of all lists.
#[macro_export]
#[doc(hidden)]
macro_rules! every_record {
    ($apply:ident $($before:tt)*) => {
        $crate::every_metadata_record!($apply $($before)* metadata);
        $crate::every_control_record!($apply $($before)* control);
        $crate::every_group_record!($apply $($before)* group);
        $crate::every_transaction_record!($apply $($before)* transaction);
    };
}
