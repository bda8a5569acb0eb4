//! What the quorum replica says to other nodes and hears from them, with the bytes that the engine never sees: records and pieces of
//! snapshots. Opens no connection and knows no wire format.

use barnabas_raft::{BatchSummary, ControlRecord, Destination, Endpoint, RequestId, Response, SnapshotId};
use barnabas_records::{BatchError, batches};
use barnabas_types::{BrokerId, FileRegion, LeaderEpoch, Offset};

use super::batch::{self, DecodeBatchError};
use super::control;

/// What others have to do for the replica, in order.
#[derive(Debug)]
pub enum Outgoing {
    /// Send a request; what comes of it is handed back under its id.
    Send {
        /// Names the request.
        id: RequestId,
        /// To whom.
        to: Destination,
        /// What.
        request: barnabas_raft::Request,
    },
    /// Answer a request.
    Respond {
        /// The request.
        token: u64,
        /// The answer.
        answer: Answer,
    },
    /// Who leads the quorum, for whoever wants to reach the active controller.
    LeaderChanged {
        /// The newest epoch.
        epoch: LeaderEpoch,
        /// Its leader, when known.
        leader: Option<BrokerId>,
        /// Where the leader listens.
        endpoints: Vec<Endpoint>,
    },
    /// Everything below is committed.
    Committed(Offset),
    /// This node leads the epoch.
    Lead(LeaderEpoch),
    /// This node leads the epoch no more.
    LeadershipLost(LeaderEpoch),
    /// The metadata begins anew from this snapshot, which was downloaded.
    Reset(SnapshotId),
    /// After a stop: nobody waits for this replica.
    Stopped,
}

/// An answer with its bytes.
#[derive(Debug)]
pub struct Answer {
    /// The answer.
    pub response: Response,
    /// Records, or a piece of a snapshot.
    pub bytes: Option<FileRegion>,
    /// The size of the whole snapshot.
    pub snapshot_size: u64,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self { response, bytes: None, snapshot_size: 0 }
    }
}

/// What is in `bytes`, the records of a Fetch answer: whole batches with valid checksums, up to the first that is not.
pub(super) fn summaries(bytes: &[u8]) -> Vec<BatchSummary> {
    let mut found = Vec::new();
    for batch in batches(bytes) {
        let summary = match batch {
            Ok(batch) => summary(&batch),
            // The leader cuts the last one where its limit of bytes is.
            Err(BatchError::Truncated { .. }) => break,
            Err(error) => Err(error.into()),
        };
        match summary {
            Ok(summary) => found.push(summary),
            Err(error) => {
                tracing::warn!(%error, "the leader of the quorum has sent a damaged batch; it is asked again");
                break;
            }
        }
    }
    found
}

fn summary(batch: &barnabas_records::BatchView<'_>) -> Result<BatchSummary, DecodeBatchError> {
    let header = batch.header();
    let mut control: Vec<(Offset, ControlRecord)> = Vec::new();
    batch.check_crc()?;
    if header.attributes.is_control() {
        batch::for_each::<DecodeBatchError>(batch, &mut |entry| {
            control.extend(control::from_log(&entry.content).map(|record| (entry.offset, record)));
            Ok(())
        })?;
    }
    Ok(BatchSummary {
        base_offset: header.base_offset,
        next_offset: header.next_offset(),
        epoch: header.partition_leader_epoch,
        control,
    })
}

/// The bytes of the first `count` batches.
pub(super) fn prefix(bytes: &[u8], count: usize) -> &[u8] {
    let length = batches(bytes).take(count).map_while(Result::ok).map(|batch| batch.bytes().len()).sum();
    bytes.get(..length).unwrap_or(bytes)
}
