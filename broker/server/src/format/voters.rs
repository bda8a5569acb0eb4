//! `id@host:port:directory-id`, as Kafka's tools name a voter with its disk (KIP-853). Resolves no name.

use barnabas_metadata::directory_id::is_reserved;
use barnabas_raft::{Endpoint, KRaftVersionRange, ReplicaKey, Voter, VoterSet};
use barnabas_types::{BrokerId, Uuid};

/// What a voter that is named so supports, as far as anybody knows: what every release since 3.9 does.
pub const KRAFT_VERSIONS: KRaftVersionRange = KRaftVersionRange { min: 0, max: 1 };

/// A voter that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VoterError {
    /// Not of the form.
    #[error(
        "'{text}' is no voter: {reason}; expected id@host:port:directory-id, as in 1@kafka-1.example.com:9093:JEXY6aqzQY-32P5TStzaFg \
         (brackets around an IPv6 address)"
    )]
    Malformed {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An id, a directory or an address that comes twice.
    #[error("voters {first} and {second} have the same {what}: each needs its own")]
    Twice {
        /// The one.
        first: BrokerId,
        /// The other.
        second: BrokerId,
        /// What they share.
        what: &'static str,
    },
    /// No voter at all.
    #[error("no voter is named")]
    Empty,
}

/// Reads voters separated by commas; each listens on `listener`.
///
/// # Errors
/// See [`VoterError`].
pub fn parse(text: &str, listener: &str) -> Result<VoterSet, VoterError> {
    let mut voters: Vec<Voter> = Vec::new();
    for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let voter = parse_one(one, listener)?;
        for other in &voters {
            let shared = [
                ("id", other.key.id == voter.key.id),
                ("directory id", other.key.directory_id == voter.key.directory_id),
                ("address", other.endpoints == voter.endpoints),
            ];
            if let Some((what, _)) = shared.into_iter().find(|(_, same)| *same) {
                return Err(VoterError::Twice { first: other.key.id, second: voter.key.id, what });
            }
        }
        voters.push(voter);
    }
    if voters.is_empty() { Err(VoterError::Empty) } else { Ok(VoterSet(voters)) }
}

/// A voter that listens there.
pub fn voter(key: ReplicaKey, listener: &str, host: &str, port: u16) -> Voter {
    let endpoint = Endpoint { name: listener.into(), host: host.into(), port };
    Voter { key, endpoints: vec![endpoint], kraft_version: KRAFT_VERSIONS }
}

fn parse_one(text: &str, listener: &str) -> Result<Voter, VoterError> {
    let wrong = |reason| VoterError::Malformed { text: text.to_owned(), reason };
    let (id, rest) = text.split_once('@').ok_or_else(|| wrong("it has no @"))?;
    let id: i32 = id.parse().ok().filter(|id| *id >= 0).ok_or_else(|| wrong("the id is no number from 0"))?;
    let (address, directory_id) = rest.rsplit_once(':').ok_or_else(|| wrong("it has no directory id"))?;
    let (host, port) = address.rsplit_once(':').ok_or_else(|| wrong("it has no port or no directory id"))?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']').ok_or_else(|| wrong("a bracket is not closed"))?,
        None if host.contains(':') => return Err(wrong("the host has a colon and no brackets")),
        None => host,
    };
    if host.is_empty() {
        return Err(wrong("it has no host"));
    }
    let port =
        port.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong("the port is no number from 1 to 65535"))?;
    let directory_id: Uuid =
        directory_id.parse().map_err(|_| wrong("the directory id is not 22 characters of base64url"))?;
    if is_reserved(directory_id) {
        return Err(wrong("the directory id is one of those that Kafka reserves"));
    }
    Ok(voter(ReplicaKey { id: BrokerId(id), directory_id }, listener, host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_are_read_as_kafka_writes_them() {
        let text = "0@b0.example:9093:JEXY6aqzQY-32P5TStzaFg, 1@[::1]:9094:MvDxzVmcRsaTz33bUuRU6A";
        let voters = parse(text, "CONTROLLER").unwrap();
        let endpoint = |id| voters.endpoints(BrokerId(id)).first().unwrap().clone();
        assert_eq!((&*endpoint(0).host, endpoint(0).port, &*endpoint(0).name), ("b0.example", 9093, "CONTROLLER"));
        assert_eq!((&*endpoint(1).host, endpoint(1).port), ("::1", 9094));
        assert_eq!(voters.keys()[0].to_string(), "0:JEXY6aqzQY-32P5TStzaFg");
    }

    #[test]
    fn mistakes_are_named() {
        for (text, expected) in [
            ("", "no voter"),
            ("b0:9093:JEXY6aqzQY-32P5TStzaFg", "it has no @"),
            ("-1@b0:9093:JEXY6aqzQY-32P5TStzaFg", "the id is no number"),
            ("0@b0", "no directory id"),
            ("0@b0:9093", "no port or no directory id"),
            ("0@b0:0:JEXY6aqzQY-32P5TStzaFg", "the port"),
            ("0@:9093:JEXY6aqzQY-32P5TStzaFg", "no host"),
            ("0@::1:9093:JEXY6aqzQY-32P5TStzaFg", "no brackets"),
            ("0@[::1:9093:JEXY6aqzQY-32P5TStzaFg", "not closed"),
            ("0@b0:9093:short", "22 characters"),
            ("0@b0:9093:AAAAAAAAAAAAAAAAAAAAAQ", "reserves"),
            ("0@b0:9093:JEXY6aqzQY-32P5TStzaFg,0@b1:9093:MvDxzVmcRsaTz33bUuRU6A", "the same id"),
            ("0@b0:9093:JEXY6aqzQY-32P5TStzaFg,1@b1:9093:JEXY6aqzQY-32P5TStzaFg", "the same directory id"),
            ("0@b0:9093:JEXY6aqzQY-32P5TStzaFg,1@b0:9093:MvDxzVmcRsaTz33bUuRU6A", "the same address"),
        ] {
            let error = parse(text, "CONTROLLER").unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
