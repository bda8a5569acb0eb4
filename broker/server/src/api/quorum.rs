//! The quorum's own APIs, which all mean the metadata log: Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch and FetchSnapshot on the
//! controller's listener, AddRaftVoter, RemoveRaftVoter and UpdateRaftVoter. Their messages are translated beside the engine that answers
//! them; nothing is decided here.

use barnabas_protocol::{ResponseHeader, UnknownTags, frame_response};
use bytes::Bytes;

use super::{Answer, Refusal, RequestContext};
use crate::raft::rpc;

/// Has the quorum replica of this node answer.
///
/// # Errors
/// The message is none of the quorum's, or the replica has stopped: the connection is closed, and whoever asks looks for another node.
pub async fn answer(context: RequestContext, body: Bytes) -> Result<Answer, Refusal> {
    let (key, version) = (context.api_key, context.api_version);
    context.check_version()?;
    let request = rpc::decode_request(key, version, &body).map_err(Refusal::Quorum)?;
    drop(body);
    let answered = context.node.controller.ask_quorum(request).await;
    let answer = answered.map_err(|_| Refusal::SilentFailure("NOT_LEADER_OR_FOLLOWER"))?;
    let body = rpc::encode_response(&answer, version, &context.connection.listener).map_err(Refusal::Quorum)?;
    let header = ResponseHeader { correlation_id: context.correlation_id, unknown_tags: UnknownTags::default() };
    Ok(Answer::Now(frame_response(&header, key, version, body)?))
}
