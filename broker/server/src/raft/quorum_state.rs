//! The file `quorum-state`: the replica's part in elections, as Kafka writes it (JSON, `data_version` 1). Decides nothing.

use std::path::{Path, PathBuf};

use barnabas_log::fs::{Fs, IoError, read_bounded, replace};
use barnabas_raft::{ElectionState, ReplicaKey};
use barnabas_types::{BrokerId, LeaderEpoch, Uuid};

/// The file's name, in the directory of the metadata log.
pub const QUORUM_STATE: &str = "quorum-state";

/// The file is one short line.
const LIMIT_BYTES: u64 = 64 * 1024;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QuorumStateError {
    /// It could not be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// It is no such JSON.
    #[error("{path} is damaged ({source}): restore it from a copy; without it this node could vote twice in one epoch", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A version that is not known.
    #[error("{path} has data_version {version}; this release knows 0 and 1", path = path.display())]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// What it says.
        version: i16,
    },
}

/// The fields that matter. Version 0 also lists the voters; they are configured, so that nobody needs them from here.
#[derive(serde::Serialize, serde::Deserialize)]
struct Contents {
    #[serde(rename = "leaderId")]
    leader: i32,
    #[serde(rename = "leaderEpoch")]
    epoch: i32,
    #[serde(rename = "votedId")]
    voted: i32,
    #[serde(rename = "votedDirectoryId", default)]
    voted_directory: Option<String>,
    data_version: i16,
}

/// Reads the file in `directory`; None when there is none.
pub fn read(fs: &dyn Fs, directory: &Path) -> Result<Option<ElectionState>, QuorumStateError> {
    let path = directory.join(QUORUM_STATE);
    let Some(bytes) = read_bounded(fs, &path, LIMIT_BYTES)? else { return Ok(None) };
    let contents: Contents = match serde_json::from_slice(&bytes) {
        Ok(contents) => contents,
        Err(source) => return Err(QuorumStateError::Damaged { path, source }),
    };
    if !matches!(contents.data_version, 0 | 1) {
        return Err(QuorumStateError::UnknownVersion { path, version: contents.data_version });
    }
    let directory_id = match contents.voted_directory.as_deref().map(str::parse) {
        None => Uuid::ZERO,
        Some(Ok(id)) => id,
        Some(Err(error)) => {
            let source = serde::de::Error::custom(format!("votedDirectoryId: {error}"));
            return Err(QuorumStateError::Damaged { path, source });
        }
    };
    let known = |id: i32| (id >= 0).then_some(BrokerId(id));
    Ok(Some(ElectionState {
        epoch: LeaderEpoch(contents.epoch),
        leader: known(contents.leader),
        voted: known(contents.voted).map(|id| ReplicaKey { id, directory_id }),
    }))
}

/// Replaces the file in `directory`, durably.
pub fn write(fs: &dyn Fs, directory: &Path, election: &ElectionState) -> Result<(), IoError> {
    // Names and order are Kafka's; every value is a number or base64url, so nothing needs escaping.
    let text = format!(
        "{{\"leaderId\":{},\"leaderEpoch\":{},\"votedId\":{},\"votedDirectoryId\":\"{}\",\"data_version\":1}}",
        election.leader.unwrap_or(BrokerId::NONE),
        election.epoch,
        election.voted.map_or(BrokerId::NONE, |key| key.id),
        election.voted.map_or(Uuid::ZERO, |key| key.directory_id),
    );
    replace(fs, &directory.join(QUORUM_STATE), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use barnabas_log::fs::RealFs;

    #[test]
    fn what_is_written_is_read_and_looks_as_kafka_writes_it() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(&RealFs, directory.path()).unwrap(), None);
        let led = ElectionState::led(LeaderEpoch(7), BrokerId(1));
        write(&RealFs, directory.path(), &led).unwrap();
        assert_eq!(
            std::fs::read_to_string(directory.path().join(QUORUM_STATE)).unwrap(),
            r#"{"leaderId":1,"leaderEpoch":7,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}"#
        );
        assert_eq!(read(&RealFs, directory.path()).unwrap(), Some(led));
        let key = ReplicaKey { id: BrokerId(3), directory_id: Uuid::from_u128(9 << 64) };
        let voted = ElectionState::voted(LeaderEpoch(8), key);
        write(&RealFs, directory.path(), &voted).unwrap();
        assert_eq!(read(&RealFs, directory.path()).unwrap(), Some(voted));
    }

    #[test]
    fn version_0_is_read_and_damage_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(QUORUM_STATE);
        let old = r#"{"clusterId":"","leaderId":2,"leaderEpoch":4,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":2}],"data_version":0}"#;
        std::fs::write(&path, old).unwrap();
        assert_eq!(read(&RealFs, directory.path()).unwrap(), Some(ElectionState::led(LeaderEpoch(4), BrokerId(2))));
        std::fs::write(&path, old.replace("\"data_version\":0", "\"data_version\":9")).unwrap();
        assert!(matches!(read(&RealFs, directory.path()), Err(QuorumStateError::UnknownVersion { version: 9, .. })));
        for end in 0..old.len() {
            std::fs::write(&path, &old[..end]).unwrap();
            assert!(matches!(read(&RealFs, directory.path()), Err(QuorumStateError::Damaged { .. })), "{end}");
        }
    }
}
