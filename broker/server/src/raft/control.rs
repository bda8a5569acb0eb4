//! Control records between the quorum engine and the batches of the log. Converts; decides nothing.

use barnabas_raft::{Endpoint, KRaftVersionRange, ReplicaKey, Voter, VoterSet};
use barnabas_records::control;

use super::batch::Content;

/// Version 1 would name the voters' directories, but Kafka 4.3 writes 0 and reads whatever it finds as 0: it could not open a
/// metadata log with any other.
const LEADER_CHANGE_VERSION: i16 = 0;

/// The engine's control record as the log holds it.
pub fn to_log(record: &barnabas_raft::ControlRecord) -> control::ControlRecord {
    match record {
        barnabas_raft::ControlRecord::LeaderChange { leader, voters, granting } => {
            control::ControlRecord::LeaderChange(control::LeaderChange {
                version: LEADER_CHANGE_VERSION,
                leader_id: leader.id,
                voters: voters.iter().map(election_voter).collect(),
                granting_voters: granting.iter().map(election_voter).collect(),
            })
        }
        barnabas_raft::ControlRecord::KRaftVersion { version } => {
            control::ControlRecord::KRaftVersion { kraft_version: i16::try_from(*version).unwrap_or(i16::MAX) }
        }
        barnabas_raft::ControlRecord::Voters(voters) => voters_to_log(voters),
    }
}

/// What the engine has to know of a record in the log: the voters and the level of `kraft.version`.
pub fn from_log(content: &Content<'_>) -> Option<barnabas_raft::ControlRecord> {
    match content {
        Content::Control(control::ControlRecord::KRaftVersion { kraft_version }) => {
            // A level that no release has is refused by the engine.
            Some(barnabas_raft::ControlRecord::KRaftVersion {
                version: u16::try_from(*kraft_version).unwrap_or(u16::MAX),
            })
        }
        Content::Control(control::ControlRecord::Voters(voters)) => {
            Some(barnabas_raft::ControlRecord::Voters(voter_set(voters)))
        }
        // A transaction's markers have no place in this log; a newer release may add records that only it needs.
        Content::Control(_) | Content::Metadata(_) => None,
    }
}

/// The voters as the log holds them.
pub fn voters_to_log(voters: &VoterSet) -> control::ControlRecord {
    let endpoint = |endpoint: &Endpoint| control::VoterEndpoint {
        name: endpoint.name.to_string(),
        host: endpoint.host.to_string(),
        port: endpoint.port,
    };
    let voter = |voter: &Voter| control::Voter {
        id: voter.key.id,
        directory_id: voter.key.directory_id,
        endpoints: voter.endpoints.iter().map(endpoint).collect(),
        min_kraft_version: i16::try_from(voter.kraft_version.min).unwrap_or(i16::MAX),
        max_kraft_version: i16::try_from(voter.kraft_version.max).unwrap_or(i16::MAX),
    };
    control::ControlRecord::Voters(voters.0.iter().map(voter).collect())
}

/// The voters as the engine knows them.
pub fn voter_set(voters: &[control::Voter]) -> VoterSet {
    let endpoint = |endpoint: &control::VoterEndpoint| Endpoint {
        name: endpoint.name.as_str().into(),
        host: endpoint.host.as_str().into(),
        port: endpoint.port,
    };
    let voter = |voter: &control::Voter| Voter {
        key: ReplicaKey { id: voter.id, directory_id: voter.directory_id },
        endpoints: voter.endpoints.iter().map(endpoint).collect(),
        kraft_version: KRaftVersionRange {
            min: u16::try_from(voter.min_kraft_version).unwrap_or(0),
            max: u16::try_from(voter.max_kraft_version).unwrap_or(0),
        },
    };
    VoterSet(voters.iter().map(voter).collect())
}

fn election_voter(key: &ReplicaKey) -> control::ElectionVoter {
    control::ElectionVoter { id: key.id, directory_id: key.directory_id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use barnabas_types::{BrokerId, Uuid};

    #[test]
    fn a_leader_change_is_written_in_the_one_version_that_apache_kafka_reads() {
        let key = ReplicaKey { id: BrokerId(1), directory_id: Uuid::from_u128(7) };
        let change = barnabas_raft::ControlRecord::LeaderChange { leader: key, voters: vec![key], granting: vec![key] };
        // Version, leader, then twice: one voter (compact array), its id, no tags; no tags of the message.
        let expected = [&[0, 0, 0, 0, 0, 1][..], &[2, 0, 0, 0, 1, 0], &[2, 0, 0, 0, 1, 0], &[0]].concat();
        assert_eq!(to_log(&change).encode_value(), expected);
    }
}
