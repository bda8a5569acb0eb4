//! What the quorum replica says to other nodes and hears from them, with the bytes that the engine never sees: records and pieces of
//! snapshots. Opens no connection and knows no wire format.

use barnabas_raft::{
    BatchSummary, ControlRecord, Destination, Endpoint, ErrorCode, FetchContent, RequestId, Response, SnapshotContent,
    SnapshotId,
};
use barnabas_records::{BatchError, batches};
use barnabas_types::{BrokerId, FileRegion, LeaderEpoch, Offset};

use super::batch::{self, DecodeBatchError};
use super::control;
use super::store::MetadataStore;

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

/// Adds the bytes that an answer carries, as places in the files of `store`.
pub(super) fn answer(store: &MetadataStore, mut response: Response) -> Answer {
    let read = match &response {
        Response::Fetch(fetch) => match fetch.content {
            FetchContent::Read { from, end, max_bytes } => {
                let region = store.read(from, end, u32::try_from(max_bytes).unwrap_or(0));
                region.map(|bytes| (bytes, 0)).map_err(|error| error.to_string())
            }
            _ => return response.into(),
        },
        Response::FetchSnapshot(fetch) => match fetch.content {
            SnapshotContent::Read { position, max_bytes } => {
                return snapshot_answer(store, response.clone(), fetch.snapshot, position, max_bytes);
            }
            _ => return response.into(),
        },
        _ => return response.into(),
    };
    match read {
        Ok((bytes, snapshot_size)) => Answer { response, bytes, snapshot_size },
        Err(error) => {
            tracing::warn!(error, "the metadata log cannot be read for another replica");
            if let Response::Fetch(fetch) = &mut response {
                (fetch.error, fetch.content) = (ErrorCode::UnknownServerError, FetchContent::Nothing);
            }
            response.into()
        }
    }
}

fn snapshot_answer(
    store: &MetadataStore,
    mut response: Response,
    id: SnapshotId,
    position: i64,
    max_bytes: i32,
) -> Answer {
    let start = u64::try_from(position).unwrap_or(u64::MAX);
    let read = store.read_snapshot_piece(id, start, u32::try_from(max_bytes).unwrap_or(0));
    let error = match read {
        Ok(Some((region, size))) if start < size => {
            return Answer { response, bytes: Some(region), snapshot_size: size };
        }
        Ok(Some(_)) => ErrorCode::PositionOutOfRange,
        Ok(None) => ErrorCode::SnapshotNotFound,
        Err(error) => {
            tracing::warn!(%error, "a snapshot of the metadata cannot be read for another replica");
            ErrorCode::UnknownServerError
        }
    };
    if let Response::FetchSnapshot(fetch) = &mut response {
        (fetch.error, fetch.content) = (error, SnapshotContent::Nothing);
    }
    response.into()
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
