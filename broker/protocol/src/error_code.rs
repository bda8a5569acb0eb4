//! Kafka's error codes in one table: number, name, whether a client tries again, and what it means. Maps no error of ours to a code.

use std::fmt;

use crate::wire::{Decode, DecodeError, Encode, EncodeError, IntoOwned, Reader, Sink, Version};

/// An error code as on the wire. Codes that are not in the table are kept: a newer broker may send them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ErrorCode(pub i16);

struct Row {
    code: ErrorCode,
    name: &'static str,
    retriable: bool,
    message: &'static str,
}

macro_rules! error_codes {
    ($($code:literal $name:ident $retriable:ident $message:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!("Code ", stringify!($code), ": ", $message, ".")]
                pub const $name: Self = Self($code);
            )*
        }

        /// By code, without a gap, from -1.
        static TABLE: &[Row] = &[$(
            Row { code: ErrorCode($code), name: stringify!($name), retriable: $retriable, message: $message },
        )*];
    };
}

error_codes! {
    -1 UNKNOWN_SERVER_ERROR false "the server failed in a way that it did not expect";
    0 NONE false "no error";
    1 OFFSET_OUT_OF_RANGE false "the offset is outside the log of this partition";
    2 CORRUPT_MESSAGE true "a batch is damaged: checksum, size or a missing key do not fit";
    3 UNKNOWN_TOPIC_OR_PARTITION true "this broker has no such topic or partition";
    4 INVALID_FETCH_SIZE false "the fetch size is not valid";
    5 LEADER_NOT_AVAILABLE true "the partition has no leader at the moment; one is being elected";
    6 NOT_LEADER_OR_FOLLOWER true "this broker is not the leader, or not a replica, of the partition";
    7 REQUEST_TIMED_OUT true "the request was not done within its time";
    8 BROKER_NOT_AVAILABLE false "the broker is not available";
    9 REPLICA_NOT_AVAILABLE true "the replica is not available here";
    10 MESSAGE_TOO_LARGE false "the message is larger than the server accepts";
    11 STALE_CONTROLLER_EPOCH false "the controller has moved to another node";
    12 OFFSET_METADATA_TOO_LARGE false "the metadata beside the offset is too long";
    13 NETWORK_EXCEPTION true "the connection was closed before the response came";
    14 COORDINATOR_LOAD_IN_PROGRESS true "the coordinator is still loading its state";
    15 COORDINATOR_NOT_AVAILABLE true "there is no coordinator at the moment";
    16 NOT_COORDINATOR true "this broker is not the coordinator";
    17 INVALID_TOPIC_EXCEPTION false "the topic name is not valid, or the topic does not allow this operation";
    18 RECORD_LIST_TOO_LARGE false "the batch is larger than a segment";
    19 NOT_ENOUGH_REPLICAS true "fewer replicas are in sync than the topic requires, so nothing was written";
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND true "the records were written, but to fewer in-sync replicas than the topic requires";
    21 INVALID_REQUIRED_ACKS false "acks is neither -1, 0 nor 1";
    22 ILLEGAL_GENERATION false "the generation is not the group's current one";
    23 INCONSISTENT_GROUP_PROTOCOL false "the member's protocols have nothing in common with those of the group, or it named none";
    24 INVALID_GROUP_ID false "the group id is not valid";
    25 UNKNOWN_MEMBER_ID false "the coordinator does not know this member";
    26 INVALID_SESSION_TIMEOUT false "the session timeout is outside group.min.session.timeout.ms and group.max.session.timeout.ms";
    27 REBALANCE_IN_PROGRESS false "the group is rebalancing; join again";
    28 INVALID_COMMIT_OFFSET_SIZE false "the offset commit is too large";
    29 TOPIC_AUTHORIZATION_FAILED false "not authorized for the topic";
    30 GROUP_AUTHORIZATION_FAILED false "not authorized for the group";
    31 CLUSTER_AUTHORIZATION_FAILED false "not authorized for the cluster";
    32 INVALID_TIMESTAMP false "the timestamp is too far from now";
    33 UNSUPPORTED_SASL_MECHANISM false "the broker does not offer this SASL mechanism";
    34 ILLEGAL_SASL_STATE false "the request does not fit the state of the SASL exchange";
    35 UNSUPPORTED_VERSION false "the version of the API is not supported";
    36 TOPIC_ALREADY_EXISTS false "a topic with this name exists already";
    37 INVALID_PARTITIONS false "the number of partitions is not valid";
    38 INVALID_REPLICATION_FACTOR false "the replication factor is below 1 or above the number of brokers";
    39 INVALID_REPLICA_ASSIGNMENT false "the replica assignment is not valid";
    40 INVALID_CONFIG false "the configuration is not valid";
    41 NOT_CONTROLLER true "this node is not the active controller";
    42 INVALID_REQUEST false "the request contradicts itself or the protocol";
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT false "the log's message format does not allow this request";
    44 POLICY_VIOLATION false "a policy of the cluster refuses the request";
    45 OUT_OF_ORDER_SEQUENCE_NUMBER false "the sequence number does not follow the last one of this producer";
    46 DUPLICATE_SEQUENCE_NUMBER false "the sequence number was used before";
    47 INVALID_PRODUCER_EPOCH false "the producer epoch is older than the current one";
    48 INVALID_TXN_STATE false "the transaction is in a state that does not allow this";
    49 INVALID_PRODUCER_ID_MAPPING false "the producer id does not belong to this transactional id";
    50 INVALID_TRANSACTION_TIMEOUT false "the transaction timeout is above transaction.max.timeout.ms";
    51 CONCURRENT_TRANSACTIONS true "another operation on the same transaction is under way";
    52 TRANSACTION_COORDINATOR_FENCED false "the transaction coordinator has been replaced by a newer one";
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED false "not authorized for the transactional id";
    54 SECURITY_DISABLED false "no security is configured";
    55 OPERATION_NOT_ATTEMPTED false "the operation was not tried";
    56 KAFKA_STORAGE_ERROR true "a disk failed while the log was accessed";
    57 LOG_DIR_NOT_FOUND false "there is no such log directory";
    58 SASL_AUTHENTICATION_FAILED false "authentication failed";
    59 UNKNOWN_PRODUCER_ID false "nothing is known about this producer id; its records may have been deleted";
    60 REASSIGNMENT_IN_PROGRESS false "a reassignment of the partition is under way";
    61 DELEGATION_TOKEN_AUTH_DISABLED false "delegation tokens are switched off";
    62 DELEGATION_TOKEN_NOT_FOUND false "there is no such delegation token";
    63 DELEGATION_TOKEN_OWNER_MISMATCH false "the principal neither owns the token nor may renew it";
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED false "delegation tokens cannot be requested over this connection";
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED false "not authorized for the delegation token";
    66 DELEGATION_TOKEN_EXPIRED false "the delegation token has expired";
    67 INVALID_PRINCIPAL_TYPE false "this type of principal is not supported";
    68 NON_EMPTY_GROUP false "the group still has members";
    69 GROUP_ID_NOT_FOUND false "there is no such group";
    70 FETCH_SESSION_ID_NOT_FOUND true "there is no such fetch session";
    71 INVALID_FETCH_SESSION_EPOCH true "the epoch of the fetch session is not the next one";
    72 LISTENER_NOT_FOUND true "the leader has no listener of this name";
    73 TOPIC_DELETION_DISABLED false "topics cannot be deleted here";
    74 FENCED_LEADER_EPOCH true "the leader epoch in the request is older than the broker's";
    75 UNKNOWN_LEADER_EPOCH true "the leader epoch in the request is newer than the broker's";
    76 UNSUPPORTED_COMPRESSION_TYPE false "the client does not support the compression of this partition";
    77 STALE_BROKER_EPOCH false "the broker epoch has changed";
    78 OFFSET_NOT_AVAILABLE true "the new leader does not know yet how far records are committed";
    79 MEMBER_ID_REQUIRED false "join again with the member id that was given";
    80 PREFERRED_LEADER_NOT_AVAILABLE true "the preferred leader is not available";
    81 GROUP_MAX_SIZE_REACHED false "the group is full";
    82 FENCED_INSTANCE_ID false "another member has taken over this group.instance.id";
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE true "no replica that may lead is available";
    84 ELECTION_NOT_NEEDED true "the partition needs no election";
    85 NO_REASSIGNMENT_IN_PROGRESS false "no reassignment of the partition is under way";
    86 GROUP_SUBSCRIBED_TO_TOPIC false "the group still subscribes to the topic";
    87 INVALID_RECORD false "a record was refused";
    88 UNSTABLE_OFFSET_COMMIT true "offsets of a transaction under way are not decided yet";
    89 THROTTLING_QUOTA_EXCEEDED true "a quota is used up; try later";
    90 PRODUCER_FENCED false "a newer producer has taken over the transactional id";
    91 RESOURCE_NOT_FOUND false "there is no such resource";
    92 DUPLICATE_RESOURCE false "the request names a resource twice";
    93 UNACCEPTABLE_CREDENTIAL false "the credential is not acceptable";
    94 INCONSISTENT_VOTER_SET false "the voters of both sides do not agree";
    95 INVALID_UPDATE_VERSION false "the version to update to is not valid";
    96 FEATURE_UPDATE_FAILED false "the features could not be updated";
    97 PRINCIPAL_DESERIALIZATION_FAILURE false "the principal in a forwarded request cannot be read";
    98 SNAPSHOT_NOT_FOUND false "there is no such snapshot";
    99 POSITION_OUT_OF_RANGE false "the position lies outside the snapshot";
    100 UNKNOWN_TOPIC_ID true "this broker has no topic of this id";
    101 DUPLICATE_BROKER_REGISTRATION false "another broker uses this id";
    102 BROKER_ID_NOT_REGISTERED false "the broker is not registered";
    103 INCONSISTENT_TOPIC_ID true "the topic id is not that of the log";
    104 INCONSISTENT_CLUSTER_ID false "the cluster id is not that of this cluster";
    105 TRANSACTIONAL_ID_NOT_FOUND false "there is no such transactional id";
    106 FETCH_SESSION_TOPIC_ID_ERROR true "the fetch session uses topic ids in some places only";
    107 INELIGIBLE_REPLICA false "a replica may not become in sync";
    108 NEW_LEADER_ELECTED false "the change was made, but the leader is another now";
    109 OFFSET_MOVED_TO_TIERED_STORAGE false "the offset is in tiered storage";
    110 FENCED_MEMBER_EPOCH false "the member epoch is fenced; give up all partitions and join again";
    111 UNRELEASED_INSTANCE_ID false "another member still uses the instance id";
    112 UNSUPPORTED_ASSIGNOR false "the group does not support the assignor";
    113 STALE_MEMBER_EPOCH false "the member epoch is old; wait for the next heartbeat";
    114 MISMATCHED_ENDPOINT_TYPE false "this kind of node does not answer the request";
    115 UNSUPPORTED_ENDPOINT_TYPE false "this kind of node is not supported";
    116 UNKNOWN_CONTROLLER_ID false "there is no such controller";
    117 UNKNOWN_SUBSCRIPTION_ID false "the telemetry subscription is not the current one";
    118 TELEMETRY_TOO_LARGE false "the telemetry is too large";
    119 INVALID_REGISTRATION false "the controller refuses the registration";
    120 TRANSACTION_ABORTABLE false "the transaction failed and can only be aborted";
    121 INVALID_RECORD_STATE false "the record is in a state that does not allow the acknowledgement";
    122 SHARE_SESSION_NOT_FOUND true "there is no such share session";
    123 INVALID_SHARE_SESSION_EPOCH true "the epoch of the share session is not the next one";
    124 FENCED_STATE_EPOCH false "the state epoch of the share group is not the current one";
    125 INVALID_VOTER_KEY false "the voter's directory id is not that of the replica";
    126 DUPLICATE_VOTER false "the voter is in the set already";
    127 VOTER_NOT_FOUND false "the voter is not in the set";
    128 INVALID_REGULAR_EXPRESSION false "the regular expression is not valid";
    129 REBOOTSTRAP_REQUIRED false "the metadata is out of date; bootstrap again";
    130 STREAMS_INVALID_TOPOLOGY false "the topology is not valid";
    131 STREAMS_INVALID_TOPOLOGY_EPOCH false "the topology epoch is not valid";
    132 STREAMS_TOPOLOGY_FENCED false "the topology epoch is old";
    133 SHARE_SESSION_LIMIT_REACHED true "there are as many share sessions as there may be";
}

impl ErrorCode {
    /// All codes of the table, from the lowest.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.code)
    }

    /// Kafka's name, or `UNKNOWN_CODE` for a code that is not in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("UNKNOWN_CODE", |row| row.name)
    }

    /// True when a client may send the same request again and hope; Kafka's own clients do.
    #[must_use]
    pub fn is_retriable(self) -> bool {
        self.row().is_some_and(|row| row.retriable)
    }

    /// What the code means, as a clause without a full stop.
    #[must_use]
    pub fn message(self) -> &'static str {
        self.row().map_or("an error code that this version does not know", |row| row.message)
    }

    /// True for [`ErrorCode::NONE`].
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    fn row(self) -> Option<&'static Row> {
        let index = usize::try_from(i32::from(self.0) + 1).ok()?;
        TABLE.get(index)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name(), self.0, self.message())
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

impl Decode<'_> for ErrorCode {
    #[inline]
    fn read(reader: &mut Reader<'_>, at: Version) -> Result<Self, DecodeError> {
        i16::read(reader, at).map(Self)
    }
}

impl Encode for ErrorCode {
    #[inline]
    fn write<S: Sink>(&self, sink: &mut S, _: Version) -> Result<(), EncodeError> {
        sink.error_code(*self);
        Ok(())
    }
}

impl IntoOwned for ErrorCode {
    type Owned = Self;

    fn into_owned(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_code_from_minus_1_to_133_in_order() {
        assert!(ErrorCode::all().map(|code| code.0).eq(-1..=133));
        for code in ErrorCode::all() {
            assert_eq!(code.row().map(|row| row.code), Some(code));
        }
    }

    #[test]
    fn unknown_codes_are_kept_and_never_retried() {
        for code in [i16::MIN, -2, 134, i16::MAX] {
            assert_eq!(ErrorCode(code).name(), "UNKNOWN_CODE");
            assert!(!ErrorCode(code).is_retriable());
        }
    }

    #[test]
    fn an_error_prints_name_code_and_meaning() {
        assert_eq!(
            ErrorCode::NOT_CONTROLLER.to_string(),
            "NOT_CONTROLLER (41): this node is not the active controller"
        );
    }
}
