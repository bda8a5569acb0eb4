//! The last inputs of the quorum engine, for whoever has to find out how an invariant broke: with the same inputs the engine does the same
//! again (`barnabas replay`). Keeps them in memory; writes them down when the engine has broken, never before.

use barnabas_raft::{Effect, Input, Node};
use barnabas_recording::{Kind, RAFT_LIMITS, RaftRing, digest_of_text, raft_weight, write};
use barnabas_types::{Now, Timestamp};

use super::store::METADATA_LOG;
use crate::recordings::RecordingFiles;

/// See the module.
pub(super) struct Recorder {
    ring: RaftRing,
    files: RecordingFiles,
}

impl Recorder {
    pub(super) fn new(files: RecordingFiles) -> Self {
        Self { ring: RaftRing::default(), files }
    }

    /// Notes an input before the engine gets it.
    pub(super) fn note(&mut self, now: Now, input: &Input, node: &Node) {
        self.ring.note(RAFT_LIMITS, (now, raft_weight(input)), || input.clone(), || Box::new(node.clone()));
    }

    /// Notes what the engine asks for.
    pub(super) fn came_back(&mut self, effects: &[Effect]) {
        self.ring.came_back(|| digest_of_text(&effects));
    }

    /// What is kept, as a file; None when that is nothing.
    pub(super) fn file(&self, reason: &str, wall: Timestamp) -> Option<Vec<u8>> {
        write(&self.files.head(Kind::Raft, METADATA_LOG, reason, wall), &self.ring)
    }

    /// Writes what is kept beside the metadata log, and says where.
    pub(super) fn keep(&self, reason: &str, wall: Timestamp) {
        let head = self.files.head(Kind::Raft, METADATA_LOG, reason, wall);
        if let Some(file) = write(&head, &self.ring) {
            self.files.keep(&head, &file);
        }
    }
}
