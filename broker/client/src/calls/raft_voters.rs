//! AddRaftVoter and RemoveRaftVoter: changes who votes in the quorum, one replica at a time (KIP-853).

use barnabas_protocol::messages::add_raft_voter::Listener;
use barnabas_protocol::messages::{AddRaftVoterRequest, RemoveRaftVoterRequest};
use barnabas_protocol::{ApiKey, VersionRange};
use barnabas_types::Uuid;

use crate::{Client, ClientError};

/// How long the leader may wait for the new voter to catch up, in milliseconds.
const TIMEOUT_MS: i32 = 10_000;

impl Client {
    /// Makes the observer with this id and metadata log directory a voter that is reached at `listeners`. Asks once: what became
    /// of an attempt whose answer was lost, DescribeQuorum tells.
    ///
    /// # Errors
    /// When no node answers in time or the quorum refuses: DUPLICATE_VOTER when a voter has this id already.
    pub async fn add_raft_voter(
        &self,
        voter_id: i32,
        voter_directory_id: Uuid,
        listeners: Vec<Listener<'_>>,
    ) -> Result<(), ClientError> {
        let request = AddRaftVoterRequest {
            cluster_id: None,
            timeout_ms: TIMEOUT_MS,
            voter_id,
            voter_directory_id,
            listeners,
            ack_when_committed: true,
            unknown_tags: Default::default(),
        };
        let response = self.call_any(&request, VersionRange::new(0, ApiKey::AddRaftVoter.versions().max)).await?;
        let what = format!("voter {voter_id}");
        ClientError::check(ApiKey::AddRaftVoter, &what, response.error_code, response.error_message.as_deref())
    }

    /// Takes the voter with this id and metadata log directory out of the quorum. Asks once, as [`Client::add_raft_voter`] does.
    ///
    /// # Errors
    /// When no node answers in time or the quorum refuses: VOTER_NOT_FOUND when there is no such voter.
    pub async fn remove_raft_voter(&self, voter_id: i32, voter_directory_id: Uuid) -> Result<(), ClientError> {
        let request = RemoveRaftVoterRequest { cluster_id: None, voter_id, voter_directory_id, ..Default::default() };
        let response = self.call_any(&request, VersionRange::new(0, ApiKey::RemoveRaftVoter.versions().max)).await?;
        let what = format!("voter {voter_id}");
        ClientError::check(ApiKey::RemoveRaftVoter, &what, response.error_code, response.error_message.as_deref())
    }
}
