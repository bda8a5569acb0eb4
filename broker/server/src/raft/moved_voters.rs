//! `moved-voters`, beside the metadata log: voters that listen elsewhere than the log says, as somebody wrote down who repaired a quorum
//! whose names had changed. Says where they are, never who votes. Ours alone: Apache Kafka passes the file over.

use std::path::Path;

use barnabas_log::fs::{Fs, IoError, read_bounded, replace};
use barnabas_raft::{Endpoint, MovedVoter, ReplicaKey};
use barnabas_types::BrokerId;
use serde::{Deserialize, Serialize};

use super::store::METADATA_LOG;

/// The file, in the directory of the metadata log.
pub const MOVED_VOTERS: &str = "moved-voters";

const VERSION: u8 = 0;
/// A quorum has a handful of voters.
const LIMIT_BYTES: u64 = 64 * 1024;

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MovedVotersError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] IoError),
    /// It is not what was written.
    #[error(
        "{path}: {reason}; write it anew with `barnabas storage set-voters`, or remove it if the log has the right names"
    )]
    Malformed {
        /// Its path.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u8,
    voters: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    voter_id: i32,
    voter_directory_id: String,
    /// What the log may have for it.
    from: Vec<Vec<Address>>,
    to: Vec<Address>,
}

#[derive(Serialize, Deserialize)]
struct Address {
    name: String,
    host: String,
    port: u16,
}

/// The voters that have moved; none where the file is missing.
///
/// # Errors
/// The disk failed, or the file is damaged.
pub fn read(fs: &dyn Fs, metadata_log_dir: &Path) -> Result<Vec<MovedVoter>, MovedVotersError> {
    let path = metadata_log_dir.join(METADATA_LOG).join(MOVED_VOTERS);
    let malformed = |reason: String| MovedVotersError::Malformed { path: path.display().to_string(), reason };
    let Some(bytes) = read_bounded(fs, &path, LIMIT_BYTES)? else { return Ok(Vec::new()) };
    let file: File = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    if file.version != VERSION {
        return Err(malformed(format!("version {}, expected {VERSION}", file.version)));
    }
    let voter = |row: Row| {
        let id = row.voter_directory_id.parse();
        let directory_id = id.map_err(|_| malformed(format!("{} is no directory id", row.voter_directory_id)))?;
        Ok(MovedVoter {
            key: ReplicaKey { id: BrokerId(row.voter_id), directory_id },
            from: row.from.into_iter().map(endpoints).collect(),
            to: endpoints(row.to),
        })
    };
    file.voters.into_iter().map(voter).collect()
}

/// Writes them, durably and all at once.
///
/// # Errors
/// The disk failed.
pub fn write(fs: &dyn Fs, metadata_log_dir: &Path, moved: &[MovedVoter]) -> Result<(), IoError> {
    let row = |voter: &MovedVoter| Row {
        voter_id: voter.key.id.0,
        voter_directory_id: voter.key.directory_id.to_string(),
        from: voter.from.iter().map(|endpoints| addresses(endpoints)).collect(),
        to: addresses(&voter.to),
    };
    let file = File { version: VERSION, voters: moved.iter().map(row).collect() };
    // Texts and numbers always become JSON.
    let text = serde_json::to_vec_pretty(&file).unwrap_or_default();
    replace(fs, &metadata_log_dir.join(METADATA_LOG).join(MOVED_VOTERS), &text)
}

fn endpoints(addresses: Vec<Address>) -> Vec<Endpoint> {
    let endpoint =
        |address: Address| Endpoint { name: address.name.into(), host: address.host.into(), port: address.port };
    addresses.into_iter().map(endpoint).collect()
}

fn addresses(endpoints: &[Endpoint]) -> Vec<Address> {
    let address = |endpoint: &Endpoint| Address {
        name: endpoint.name.to_string(),
        host: endpoint.host.to_string(),
        port: endpoint.port,
    };
    endpoints.iter().map(address).collect()
}

#[cfg(test)]
mod tests {
    use barnabas_log::fs::RealFs;
    use barnabas_types::Uuid;

    use super::*;

    #[test]
    fn what_is_written_is_read_and_damage_is_named() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(METADATA_LOG)).unwrap();
        assert_eq!(read(&RealFs, directory.path()).unwrap(), []);
        let at = |port| vec![Endpoint { name: "CONTROLLER".into(), host: "b".into(), port }];
        let key = ReplicaKey { id: BrokerId(3), directory_id: Uuid::from_u128(700) };
        let moved = [MovedVoter { key, from: vec![at(1), at(2)], to: at(3) }];
        write(&RealFs, directory.path(), &moved).unwrap();
        assert_eq!(read(&RealFs, directory.path()).unwrap(), moved);
        let path = directory.path().join(METADATA_LOG).join(MOVED_VOTERS);
        for damaged in ["", "{", "{\"version\":1,\"voters\":[]}"] {
            std::fs::write(&path, damaged).unwrap();
            let error = read(&RealFs, directory.path()).unwrap_err().to_string();
            assert!(error.contains("set-voters"), "{error}");
        }
    }
}
