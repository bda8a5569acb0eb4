//! Before a replica that holds nothing takes part: asks everybody whom it knows whether there is a quorum already. Refuses to begin a second
//! one. Who gives no answer in time says nothing, and nothing follows from that.

use std::path::Path;
use std::time::Duration;

use barnabas_client::{Client, ClientError, Settings, address};
use barnabas_log::fs::{Fs, IoError};
use barnabas_protocol::messages::describe_quorum::DescribeQuorumResponse;
use barnabas_raft::{
    Config, Destination, ErrorCode, FetchRequest, LeaderHint, ReplicaKey, Request, Response, SnapshotId, VoterSet,
};
use barnabas_types::{BrokerId, LeaderEpoch, Offset, Uuid};

use super::peers::Peers;
use super::quorum_state::QUORUM_STATE;
use super::store::METADATA_LOG;

/// How long the others have in all. They are asked at the same time, and a new quorum waits so long for nodes that start with it.
const PATIENCE: Duration = Duration::from_secs(1);
/// What a description of a quorum may hold, in bytes.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// This directory must not become a voter of a new quorum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InquiryError {
    /// Somebody else's quorum.
    #[error(
        "the node at {peer} belongs to another cluster than this one ({cluster_id}): check controller.quorum.bootstrap.servers, \
         controller.quorum.voters and the cluster id that log.dirs were formatted with"
    )]
    OtherCluster {
        /// Who was asked.
        peer: String,
        /// This node's cluster.
        cluster_id: Box<str>,
    },
    /// The quorum is there, without this voter.
    #[error(
        "cluster {cluster_id} has a quorum already: the node at {peer} says that node {leader} leads it in epoch {epoch}, with the voters \
         {voters}. This directory, {key}, was formatted as one of the first voters of a new quorum, which would be a second one. Empty it, \
         format it with --no-initial-controllers, start the node, and make it a voter with kafka-metadata-quorum add-controller"
    )]
    Formed {
        /// Who was asked.
        peer: String,
        /// The cluster of both.
        cluster_id: Box<str>,
        /// Who leads.
        leader: BrokerId,
        /// In which epoch.
        epoch: LeaderEpoch,
        /// The voters, as text.
        voters: String,
        /// This replica.
        key: ReplicaKey,
    },
}

/// What somebody answered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    OtherCluster,
    /// Somebody leads; the voters where the leader told them.
    Led {
        leader: BrokerId,
        epoch: LeaderEpoch,
        voters: Option<Vec<ReplicaKey>>,
    },
}

/// True when nobody has ever taken part in a quorum with the metadata log in `metadata_log_dir`: it holds what formatting wrote, and perhaps
/// the empty files of a start.
///
/// # Errors
/// The directory cannot be read.
pub fn is_new(fs: &dyn Fs, metadata_log_dir: &Path) -> Result<bool, IoError> {
    let directory = metadata_log_dir.join(METADATA_LOG);
    let first = format!("{}.checkpoint", SnapshotId::default());
    let entries = match fs.list(&directory) {
        Err(error) if error.is_not_found() => return Ok(true),
        entries => entries?,
    };
    let tells_of_a_quorum = |name: &str, bytes: u64| {
        name == QUORUM_STATE || name.ends_with(".checkpoint") && name != first || name.ends_with(".log") && bytes > 0
    };
    Ok(!entries.iter().any(|entry| tells_of_a_quorum(&entry.name, entry.length)))
}

/// Asks whom `replica` knows: `voters`, with whom it was formatted, and its bootstrap servers. True when there is a quorum, with this replica
/// among its voters, so that it may have been one of them before.
///
/// # Errors
/// There is a quorum that this replica is no voter of, though it was formatted as one, or somebody is of another cluster.
pub async fn inquire(replica: &Config, voters: &VoterSet) -> Result<bool, InquiryError> {
    let asked = whom(replica, voters).into_iter().map(|to| async move {
        let peer = address(&to.host, to.port);
        let answer = tokio::time::timeout(PATIENCE, ask(replica, to)).await.ok().flatten();
        Some((peer, answer?))
    });
    let answers: Vec<_> = futures::future::join_all(asked).await.into_iter().flatten().collect();
    judge(replica, voters, answers)
}

/// Everybody once, this node left out.
fn whom(replica: &Config, voters: &VoterSet) -> Vec<Destination> {
    let is_own = |host: &str, port: u16| replica.endpoints.iter().any(|own| *own.host == *host && own.port == port);
    let others = voters.0.iter().filter(|voter| voter.key.id != replica.key.id);
    let others = others.filter_map(|voter| {
        let by_name = voter.endpoints.iter().find(|endpoint| endpoint.name == replica.listener);
        let endpoint = by_name.or_else(|| voter.endpoints.first())?;
        Some((endpoint.host.clone(), endpoint.port))
    });
    let mut found: Vec<Destination> = Vec::new();
    for (host, port) in others.chain(replica.bootstrap_servers.iter().cloned()) {
        if !is_own(&host, port) && !found.iter().any(|other| other.host == host && other.port == port) {
            found.push(Destination { node: None, host, port });
        }
    }
    found
}

/// Who leads, as the node at `to` knows, and then what the leader says of its voters.
async fn ask(replica: &Config, to: Destination) -> Option<Answer> {
    let fetch = Request::Fetch(FetchRequest {
        cluster_id: Some(replica.cluster_id.clone()),
        replica: ReplicaKey { id: BrokerId(-1), directory_id: Uuid::ZERO },
        epoch: LeaderEpoch(0),
        offset: Offset(0),
        last_fetched_epoch: LeaderEpoch(0),
        max_wait_ms: 0,
        max_bytes: 0,
        high_watermark: None,
    });
    let (Response::Fetch(fetched), _) = Peers::new(replica).ask(to, fetch).await.ok()? else { return None };
    if fetched.error == ErrorCode::InconsistentClusterId {
        return Some(Answer::OtherCluster);
    }
    let LeaderHint { epoch, leader: Some(leader), endpoints } = fetched.leader else { return None };
    let voters = match endpoints.first().filter(|_| leader != replica.key.id) {
        None => None,
        Some(endpoint) => {
            let described = describe(replica, address(&endpoint.host, endpoint.port)).await;
            described.inspect_err(|error| tracing::debug!(%error, "the leader did not describe the quorum")).ok()
        }
    };
    Some(Answer::Led { leader, epoch, voters })
}

async fn describe(replica: &Config, leader: String) -> Result<Vec<ReplicaKey>, ClientError> {
    let settings = Settings {
        connect_timeout: PATIENCE,
        request_timeout: PATIENCE,
        max_response_bytes: MAX_RESPONSE_BYTES,
        ..Settings::new(vec![leader], &format!("raft-client-{}", replica.key.id))
    };
    Ok(voters_in(&Client::new(settings)?.describe_quorum().await?))
}

fn voters_in(response: &DescribeQuorumResponse<'_>) -> Vec<ReplicaKey> {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    let voters = partitions.flat_map(|partition| &partition.current_voters);
    voters
        .map(|voter| ReplicaKey { id: BrokerId(voter.replica_id), directory_id: voter.replica_directory_id })
        .collect()
}

fn judge(replica: &Config, voters: &VoterSet, answers: Vec<(String, Answer)>) -> Result<bool, InquiryError> {
    let cluster_id = || replica.cluster_id.clone();
    if let Some((peer, _)) = answers.iter().find(|(_, answer)| *answer == Answer::OtherCluster) {
        return Err(InquiryError::OtherCluster { peer: peer.clone(), cluster_id: cluster_id() });
    }
    let is_formed = !answers.is_empty();
    let described = answers.into_iter().filter_map(|(peer, answer)| match answer {
        Answer::Led { leader, epoch, voters: Some(voters) } => Some((peer, leader, epoch, voters)),
        Answer::Led { voters: None, .. } | Answer::OtherCluster => None,
    });
    match described.max_by_key(|(_, _, epoch, _)| *epoch) {
        // Who was formatted as no voter joins.
        Some((peer, leader, epoch, led)) if voters.holds(&replica.key) => {
            if led.iter().any(|voter| voter.matches(&replica.key)) {
                return Ok(true);
            }
            let voters: Vec<String> = led.iter().map(ToString::to_string).collect();
            let (voters, key) = (voters.join(", "), replica.key);
            Err(InquiryError::Formed { peer, cluster_id: cluster_id(), leader, epoch, voters, key })
        }
        _ => Ok(is_formed),
    }
}

#[cfg(test)]
mod tests {
    use barnabas_log::fs::RealFs;
    use barnabas_raft::{Endpoint, KRaftVersionRange, Voter};

    use super::*;

    fn key(id: i32, directory: u128) -> ReplicaKey {
        ReplicaKey { id: BrokerId(id), directory_id: Uuid::from_u128(directory) }
    }

    fn voter(id: i32) -> Voter {
        let endpoint = Endpoint { name: "CONTROLLER".into(), host: format!("node-{id}").into(), port: 9093 };
        Voter { key: key(id, 1), endpoints: vec![endpoint], kraft_version: KRaftVersionRange { min: 0, max: 1 } }
    }

    fn replica() -> Config {
        let mut config = Config::new(key(1, 1), "c", voter(1).endpoints, 0);
        config.bootstrap_servers = vec![("node-1".into(), 9093), ("node-2".into(), 9093), ("seed".into(), 9093)];
        config
    }

    fn led(epoch: i32, voters: Option<&[(i32, u128)]>) -> Answer {
        let voters = voters.map(|voters| voters.iter().map(|&(id, directory)| key(id, directory)).collect());
        Answer::Led { leader: BrokerId(2), epoch: LeaderEpoch(epoch), voters }
    }

    fn judged(answers: &[Answer]) -> Result<bool, InquiryError> {
        let voters = VoterSet(vec![voter(1), voter(2), voter(3)]);
        judge(&replica(), &voters, answers.iter().map(|answer| ("node-2:9093".to_owned(), answer.clone())).collect())
    }

    #[test]
    fn every_other_voter_and_bootstrap_server_is_asked_once_and_this_node_never() {
        let asked = whom(&replica(), &VoterSet(vec![voter(1), voter(2), voter(3)]));
        let hosts: Vec<_> = asked.iter().map(|to| &*to.host).collect();
        assert_eq!(hosts, ["node-2", "node-3", "seed"]);
        assert_eq!(whom(&Config { bootstrap_servers: Vec::new(), ..replica() }, &VoterSet(vec![voter(1)])), []);
    }

    #[test]
    fn silence_says_nothing_and_a_leader_without_a_description_that_there_is_a_quorum() {
        assert_eq!(judged(&[]), Ok(false));
        assert_eq!(judged(&[led(3, None)]), Ok(true));
        assert_eq!(judged(&[led(3, Some(&[(1, 1), (2, 1), (3, 1)]))]), Ok(true));
        assert_eq!(
            judged(&[led(3, Some(&[(1, 0), (2, 0), (3, 0)]))]),
            Ok(true),
            "kraft.version 0 knows no directories"
        );
    }

    #[test]
    fn a_quorum_without_this_replica_is_no_reason_to_begin_another() {
        let error = judged(&[led(3, Some(&[(1, 1), (2, 1)])), led(4, Some(&[(1, 9), (2, 1)]))]).unwrap_err();
        let said = error.to_string();
        for part in ["node-2:9093", "node 2 leads it in epoch 4", &key(1, 9).to_string(), "--no-initial-controllers"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }

    #[test]
    fn who_was_formatted_as_no_voter_joins() {
        let answers = vec![("node-2:9093".to_owned(), led(4, Some(&[(2, 1)])))];
        assert_eq!(judge(&replica(), &VoterSet::default(), answers), Ok(true));
    }

    #[test]
    fn another_cluster_is_refused_whatever_else_is_said() {
        let error = judged(&[led(3, Some(&[(1, 1)])), Answer::OtherCluster]).unwrap_err();
        assert_eq!(error, InquiryError::OtherCluster { peer: "node-2:9093".into(), cluster_id: "c".into() });
    }

    #[test]
    fn a_directory_is_new_until_it_holds_a_vote_a_record_or_a_later_snapshot() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join(METADATA_LOG);
        let is_new = || is_new(&RealFs, directory.path()).unwrap();
        assert!(is_new());
        std::fs::create_dir(&log).unwrap();
        std::fs::write(log.join("00000000000000000000-0000000000.checkpoint"), "x").unwrap();
        std::fs::write(log.join("00000000000000000000.log"), "").unwrap();
        assert!(is_new());
        for (name, content) in [
            (QUORUM_STATE, "{}"),
            ("00000000000000000000.log", "x"),
            ("00000000000000000009-0000000001.checkpoint", "x"),
        ] {
            std::fs::write(log.join(name), content).unwrap();
            assert!(!is_new(), "{name}");
            std::fs::remove_file(log.join(name)).unwrap();
        }
    }
}
