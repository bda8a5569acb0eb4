//! What replicas say to each other, free of any wire version. A driver translates to and from Kafka's messages; nothing is decided
//! here. Fields that a version lacks are `None` or have the value that Kafka gives them then.

use barnabas_types::{BrokerId, LeaderEpoch, Offset, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{ControlRecord, Endpoint, KRaftVersionRange, ReplicaKey, SnapshotId};

/// Names a request that this replica has sent, in [`Effect::Send`](crate::Effect::Send) and the input that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// A request, sent or received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Vote (key 52).
    Vote(VoteRequest),
    /// BeginQuorumEpoch (key 53).
    BeginQuorumEpoch(BeginQuorumEpochRequest),
    /// EndQuorumEpoch (key 54).
    EndQuorumEpoch(EndQuorumEpochRequest),
    /// Fetch (key 1) of the metadata log.
    Fetch(FetchRequest),
    /// FetchSnapshot (key 59).
    FetchSnapshot(FetchSnapshotRequest),
    /// AddRaftVoter (key 80).
    AddVoter(AddVoterRequest),
    /// RemoveRaftVoter (key 81).
    RemoveVoter(RemoveVoterRequest),
    /// UpdateRaftVoter (key 82).
    UpdateVoter(UpdateVoterRequest),
    /// ApiVersions (key 18), to learn which levels of `kraft.version` a future voter supports. Only sent.
    ApiVersions,
}

/// Asks for a vote, or whether one would be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteRequest {
    /// The sender's cluster.
    pub cluster_id: Option<Box<str>>,
    /// The voter that is meant (from version 1 on); a zero directory id means any.
    pub voter: Option<ReplicaKey>,
    /// Who wants the vote.
    pub candidate: ReplicaKey,
    /// The epoch that it wants to lead; for a pre-vote the one that it is in.
    pub epoch: LeaderEpoch,
    /// The epoch of the last record in its log.
    pub last_epoch: LeaderEpoch,
    /// The end of its log.
    pub last_offset: Offset,
    /// Only asks (version 2, KIP-996): nothing is kept.
    pub pre_vote: bool,
}

/// Says who leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginQuorumEpochRequest {
    /// The sender's cluster.
    pub cluster_id: Option<Box<str>>,
    /// The voter that is meant (from version 1 on).
    pub voter: Option<ReplicaKey>,
    /// The leader.
    pub leader: BrokerId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// Where it listens (from version 1 on).
    pub endpoints: Vec<Endpoint>,
}

/// Says that the leader steps down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndQuorumEpochRequest {
    /// The sender's cluster.
    pub cluster_id: Option<Box<str>>,
    /// The leader.
    pub leader: BrokerId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// Who should follow it, the best first. Version 0 carries no directory ids: they are zero.
    pub preferred: Vec<ReplicaKey>,
    /// Where the leader listens (from version 1 on).
    pub endpoints: Vec<Endpoint>,
}

/// Reads the log, and says how far the sender's is durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchRequest {
    /// The sender's cluster.
    pub cluster_id: Option<Box<str>>,
    /// The sender; id -1 for one that is no replica.
    pub replica: ReplicaKey,
    /// The epoch that the sender is in.
    pub epoch: LeaderEpoch,
    /// The end of the sender's log: everything below is durable there.
    pub offset: Offset,
    /// The epoch of the sender's last record; 0 when it has none.
    pub last_fetched_epoch: LeaderEpoch,
    /// How long the answer may wait for something to say.
    pub max_wait_ms: i32,
    /// The most bytes of records in the answer.
    pub max_bytes: i32,
    /// The high watermark that the sender knows (version 18): the answer comes as soon as there is a newer one. None: not said.
    pub high_watermark: Option<Offset>,
}

/// Reads a piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchSnapshotRequest {
    /// The sender's cluster.
    pub cluster_id: Option<Box<str>>,
    /// The sender.
    pub replica: ReplicaKey,
    /// The epoch that the sender is in.
    pub epoch: LeaderEpoch,
    /// Which snapshot.
    pub snapshot: SnapshotId,
    /// Where the piece begins, in bytes.
    pub position: i64,
    /// The most bytes of the answer.
    pub max_bytes: i32,
}

/// Makes a replica a voter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddVoterRequest {
    /// The sender's cluster.
    pub cluster_id: Option<Box<str>>,
    /// The replica.
    pub voter: ReplicaKey,
    /// Where it listens.
    pub endpoints: Vec<Endpoint>,
    /// How long the sender waits.
    pub timeout_ms: i32,
    /// Answer when the change is committed (always, before version 1); else as soon as it is appended.
    pub ack_when_committed: bool,
}

/// Makes a voter an observer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveVoterRequest {
    /// The sender's cluster.
    pub cluster_id: Option<Box<str>>,
    /// The voter.
    pub voter: ReplicaKey,
}

/// Corrects what the quorum knows of a voter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateVoterRequest {
    /// The sender's cluster.
    pub cluster_id: Option<Box<str>>,
    /// The epoch that the voter is in.
    pub epoch: LeaderEpoch,
    /// The voter.
    pub voter: ReplicaKey,
    /// Where it listens now.
    pub endpoints: Vec<Endpoint>,
    /// What it supports now.
    pub kraft_versions: KRaftVersionRange,
}

/// The answer to a request, of the same kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// To [`Request::Vote`].
    Vote(VoteResponse),
    /// To [`Request::BeginQuorumEpoch`].
    BeginQuorumEpoch(EpochResponse),
    /// To [`Request::EndQuorumEpoch`].
    EndQuorumEpoch(EpochResponse),
    /// To [`Request::Fetch`].
    Fetch(FetchResponse),
    /// To [`Request::FetchSnapshot`].
    FetchSnapshot(FetchSnapshotResponse),
    /// To [`Request::AddVoter`].
    AddVoter(VoterResponse),
    /// To [`Request::RemoveVoter`].
    RemoveVoter(VoterResponse),
    /// To [`Request::UpdateVoter`].
    UpdateVoter(EpochResponse),
    /// To [`Request::ApiVersions`]: what the other node supports; None when it does not know the feature.
    ApiVersions(Option<KRaftVersionRange>),
    /// To [`Input::UpgradeKRaftVersion`](crate::Input::UpgradeKRaftVersion).
    UpgradeKRaftVersion(VoterResponse),
}

/// What is wrong with a request as a whole or with its only partition. The numbers are Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, thiserror::Error, Serialize, Deserialize)]
pub enum ErrorCode {
    /// 0.
    #[default]
    #[error("none")]
    None,
    /// -1.
    #[error("unknown server error")]
    UnknownServerError,
    /// 6: another node leads.
    #[error("not the leader")]
    NotLeaderOrFollower,
    /// 7.
    #[error("timed out")]
    RequestTimedOut,
    /// 8: this node is stopping.
    #[error("not available")]
    BrokerNotAvailable,
    /// 35.
    #[error("unsupported version")]
    UnsupportedVersion,
    /// 42.
    #[error("invalid request")]
    InvalidRequest,
    /// 74: the request's epoch is old.
    #[error("fenced leader epoch")]
    FencedLeaderEpoch,
    /// 75: the request's epoch is newer.
    #[error("unknown leader epoch")]
    UnknownLeaderEpoch,
    /// 95.
    #[error("invalid update version")]
    InvalidUpdateVersion,
    /// 98.
    #[error("snapshot not found")]
    SnapshotNotFound,
    /// 99.
    #[error("position out of range")]
    PositionOutOfRange,
    /// 104.
    #[error("inconsistent cluster id")]
    InconsistentClusterId,
    /// 125: the request was meant for another replica.
    #[error("invalid voter key")]
    InvalidVoterKey,
    /// 126.
    #[error("duplicate voter")]
    DuplicateVoter,
    /// 127.
    #[error("voter not found")]
    VoterNotFound,
    /// Any other of Kafka's codes.
    #[error("error code {0}")]
    Other(i16),
}

const NUMBERS: [(ErrorCode, i16); 16] = [
    (ErrorCode::None, 0),
    (ErrorCode::UnknownServerError, -1),
    (ErrorCode::NotLeaderOrFollower, 6),
    (ErrorCode::RequestTimedOut, 7),
    (ErrorCode::BrokerNotAvailable, 8),
    (ErrorCode::UnsupportedVersion, 35),
    (ErrorCode::InvalidRequest, 42),
    (ErrorCode::FencedLeaderEpoch, 74),
    (ErrorCode::UnknownLeaderEpoch, 75),
    (ErrorCode::InvalidUpdateVersion, 95),
    (ErrorCode::SnapshotNotFound, 98),
    (ErrorCode::PositionOutOfRange, 99),
    (ErrorCode::InconsistentClusterId, 104),
    (ErrorCode::InvalidVoterKey, 125),
    (ErrorCode::DuplicateVoter, 126),
    (ErrorCode::VoterNotFound, 127),
];

impl ErrorCode {
    /// Kafka's number.
    #[must_use]
    pub fn number(self) -> i16 {
        match self {
            Self::Other(number) => number,
            known => NUMBERS.iter().find(|(code, _)| *code == known).map_or(-1, |&(_, number)| number),
        }
    }

    /// The code of Kafka's `number`.
    #[must_use]
    pub fn from_number(number: i16) -> Self {
        NUMBERS.iter().find(|&&(_, known)| known == number).map_or(Self::Other(number), |&(code, _)| code)
    }
}

/// Whom the sender of a response believes to lead, and since which epoch.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LeaderHint {
    /// The epoch that the sender is in.
    pub epoch: LeaderEpoch,
    /// Who leads it, when known.
    pub leader: Option<BrokerId>,
    /// Where the leader listens, when said: one endpoint by the listener that the request came in on.
    pub endpoints: Vec<Endpoint>,
}

/// An answer that says no more than who leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochResponse {
    /// What is wrong.
    pub error: ErrorCode,
    /// Who leads.
    pub leader: LeaderHint,
}

/// Whether the vote is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteResponse {
    /// What is wrong.
    pub error: ErrorCode,
    /// Who leads.
    pub leader: LeaderHint,
    /// Whether the vote is (or, to a pre-vote, would be) given.
    pub granted: bool,
}

/// The outcome of a change of the voters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoterResponse {
    /// What is wrong.
    pub error: ErrorCode,
    /// The same in words, for the user.
    pub message: Option<Box<str>>,
}

/// Records, or why there are none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchResponse {
    /// What is wrong.
    pub error: ErrorCode,
    /// Who leads.
    pub leader: LeaderHint,
    /// What is committed, when the leader knows.
    pub high_watermark: Option<Offset>,
    /// Where the leader's log starts.
    pub log_start: Offset,
    /// What else there is.
    pub content: FetchContent,
}

/// The heart of a Fetch answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FetchContent {
    /// Nothing new.
    Nothing,
    /// The reader's log differs: the largest epoch up to the reader's last one, and where it ends.
    Diverging {
        /// The epoch.
        epoch: LeaderEpoch,
        /// Its end.
        end_offset: Offset,
    },
    /// The records are in this snapshot.
    Snapshot(SnapshotId),
    /// Sent: the driver puts the batches of its log from `from` on into the answer, up to `end`, at most `max_bytes` of them but always
    /// one whole batch.
    Read {
        /// The first record.
        from: Offset,
        /// The end of the log at this moment.
        end: Offset,
        /// Bytes.
        max_bytes: i32,
    },
    /// Received: the driver keeps the bytes under `token` until the engine has handled the answer, and says what is in them.
    Batches {
        /// Names the bytes in [`Effect::AppendFetched`](crate::Effect::AppendFetched).
        token: u64,
        /// The whole batches with valid checksums, in order. An incomplete last batch is left out.
        batches: Vec<BatchSummary>,
    },
}

/// What the engine has to know of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchSummary {
    /// The offset of its first record.
    pub base_offset: Offset,
    /// The offset after its last record.
    pub next_offset: Offset,
    /// The epoch it was written in.
    pub epoch: LeaderEpoch,
    /// The voters and levels of `kraft.version` in it, with their offsets. Other control records may be left out.
    pub control: Vec<(Offset, ControlRecord)>,
}

/// A piece of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchSnapshotResponse {
    /// What is wrong.
    pub error: ErrorCode,
    /// Who leads.
    pub leader: LeaderHint,
    /// Which snapshot.
    pub snapshot: SnapshotId,
    /// The piece.
    pub content: SnapshotContent,
}

/// The heart of a FetchSnapshot answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnapshotContent {
    /// None, with an error.
    Nothing,
    /// Sent: the driver puts the bytes of the file from `position` on into the answer, at most `max_bytes`. It answers
    /// SNAPSHOT_NOT_FOUND when it has no such file and POSITION_OUT_OF_RANGE when the file ends before.
    Read {
        /// Where.
        position: i64,
        /// Bytes.
        max_bytes: i32,
    },
    /// Received: the driver keeps the bytes under `token` until the engine has handled the answer.
    Piece {
        /// Names the bytes in [`Effect::WriteSnapshotPiece`](crate::Effect::WriteSnapshotPiece).
        token: u64,
        /// The size of the whole snapshot, in bytes.
        size: i64,
        /// Where the piece begins.
        position: i64,
        /// The size of the piece.
        length: i64,
    },
}

/// Why a request of this replica gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestFailure {
    /// No connection, a lost one, or no answer in time.
    Unreachable,
    /// Nobody listens at the address: whoever did is gone, or was never there.
    Refused,
    /// The other node does not know the API or no version that can carry the request (a pre-vote needs Vote version 2).
    UnsupportedVersion,
}

/// The state of the quorum as its leader sees it: DescribeQuorum (key 55).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumDescription {
    /// The leader.
    pub leader: BrokerId,
    /// Its epoch.
    pub epoch: LeaderEpoch,
    /// What is committed; None before the epoch's first record is.
    pub high_watermark: Option<Offset>,
    /// The voters.
    pub voters: Vec<ReplicaDescription>,
    /// Everybody else who fetches.
    pub observers: Vec<ReplicaDescription>,
    /// Where the voters listen.
    pub nodes: Vec<(BrokerId, Vec<Endpoint>)>,
}

/// One replica as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaDescription {
    /// Which replica.
    pub key: ReplicaKey,
    /// Its log end; None before its first fetch.
    pub log_end: Option<Offset>,
    /// When it last fetched; None before.
    pub last_fetch: Option<Timestamp>,
    /// When it last had all that the leader had; None before.
    pub last_caught_up: Option<Timestamp>,
}
