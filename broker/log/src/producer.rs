//! What a partition remembers of its idempotent and transactional producers, so that a batch sent twice is stored once and an
//! older instance of a producer is turned away (KIP-98). Hands out no producer ids and decides no transaction.

mod entry;
mod snapshot;
mod state;

pub use entry::{ProducerEntry, SequencedBatch};
pub use snapshot::SnapshotError;
pub use state::{ProducerState, SequenceCheck, SequenceError};
