//! Which APIs are served, in which versions, by which handler: one table. ApiVersions is answered from it, so nothing can
//! be announced that is not served. Holds no logic of any API.

use std::sync::Arc;
use std::time::Duration;

use barnabas_protocol::messages::*;
use barnabas_protocol::{ApiKey, Message, Reader, Request, Response, encode_reply};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::context::{Answer, Refusal, Reply, RequestContext};
use crate::active_controller;
use crate::connection::ListenerKind;

/// How long an active controller is looked for; clients wait for 30 s as a rule.
const FORWARDING_TIMEOUT: Duration = Duration::from_secs(20);

macro_rules! served {
    (
        $(#[$about:meta])* $served:ident, $dispatch:ident:
        $($key:ident, $request:ident, $module:ident;)*
        [quorum: $($quorum:ident),*]
    ) => {
        $(#[$about])*
        pub const $served: &[ApiKey] = &[$(ApiKey::$key,)* $(ApiKey::$quorum,)*];

        fn $dispatch(context: RequestContext, body: Bytes) -> BoxFuture<'static, Result<Answer, Refusal>> {
            match context.api_key {
                // Each handler has a box of its own, so that a small request does not carry the state of the largest.
                $(ApiKey::$key => async move {
                    let Some(request) = decode::<$request<'_>>(&context, &body)? else {
                        return super::api_versions::unsupported(&context);
                    };
                    let reply: Reply<<$request<'_> as Request>::Response<'static>> =
                        super::$module::handle(&context, request).await.into();
                    answer(&context, reply)
                }.boxed(),)*
                // The quorum translates its messages itself.
                $(ApiKey::$quorum)|* => super::quorum::answer(context, body).boxed(),
                other => std::future::ready(Err(Refusal::UnsupportedApi(other))).boxed(),
            }
        }
    };
}

/// Decodes, executes and encodes one request. The frame's memory is given back when the handler returns, not when its reply leaves.
///
/// # Errors
/// The connection is to be closed.
pub fn dispatch(context: RequestContext, body: Bytes) -> BoxFuture<'static, Result<Answer, Refusal>> {
    match context.connection.kind {
        ListenerKind::Broker if context.api_key.is_forwarded() && !context.node.is_active_controller() => {
            forwarded(context, body).boxed()
        }
        ListenerKind::Broker => dispatch_broker(context, body),
        ListenerKind::Controller => dispatch_controller(context, body),
    }
}

/// Has the active controller answer. When there is none for so long, this node says so itself, in the form of the API.
async fn forwarded(context: RequestContext, body: Bytes) -> Result<Answer, Refusal> {
    if !SERVED.contains(&context.api_key) {
        return Err(Refusal::UnsupportedApi(context.api_key));
    }
    context.check_version()?;
    let deadline = context.node.runtime.deadline(FORWARDING_TIMEOUT);
    match active_controller::forward(&context, &body, deadline).await {
        Some(frame) => Ok(Answer::Now(frame)),
        None => dispatch_broker(context, body).await,
    }
}

/// Every API that listeners of this kind serve.
#[must_use]
pub const fn served(kind: ListenerKind) -> &'static [ApiKey] {
    match kind {
        ListenerKind::Broker => SERVED,
        ListenerKind::Controller => SERVED_BY_CONTROLLER,
    }
}

served! {
    /// Every API that listeners for clients and brokers serve.
    SERVED, dispatch_broker:
    Produce, ProduceRequest, produce;
    Fetch, FetchRequest, fetch;
    ListOffsets, ListOffsetsRequest, list_offsets;
    Metadata, MetadataRequest, metadata;
    ApiVersions, ApiVersionsRequest, api_versions;
    DeleteRecords, DeleteRecordsRequest, delete_records;
    OffsetCommit, OffsetCommitRequest, offset_commit;
    OffsetFetch, OffsetFetchRequest, offset_fetch;
    FindCoordinator, FindCoordinatorRequest, find_coordinator;
    JoinGroup, JoinGroupRequest, join_group;
    Heartbeat, HeartbeatRequest, heartbeat;
    LeaveGroup, LeaveGroupRequest, leave_group;
    SyncGroup, SyncGroupRequest, sync_group;
    DescribeGroups, DescribeGroupsRequest, describe_groups;
    ListGroups, ListGroupsRequest, list_groups;
    DeleteGroups, DeleteGroupsRequest, delete_groups;
    OffsetDelete, OffsetDeleteRequest, offset_delete;
    OffsetForLeaderEpoch, OffsetForLeaderEpochRequest, offset_for_leader_epoch;
    DescribeLogDirs, DescribeLogDirsRequest, describe_log_dirs;
    DescribeCluster, DescribeClusterRequest, describe_cluster;
    DescribeTopicPartitions, DescribeTopicPartitionsRequest, describe_topic_partitions;
    InitProducerId, InitProducerIdRequest, init_producer_id;
    CreateTopics, CreateTopicsRequest, create_topics;
    DeleteTopics, DeleteTopicsRequest, delete_topics;
    CreatePartitions, CreatePartitionsRequest, create_partitions;
    ElectLeaders, ElectLeadersRequest, elect_leaders;
    DescribeConfigs, DescribeConfigsRequest, describe_configs;
    AlterConfigs, AlterConfigsRequest, alter_configs;
    IncrementalAlterConfigs, IncrementalAlterConfigsRequest, incremental_alter_configs;
    DescribeQuorum, DescribeQuorumRequest, describe_quorum;
    UpdateFeatures, UpdateFeaturesRequest, update_features;
    UnregisterBroker, UnregisterBrokerRequest, unregister_broker;
    [quorum: AddRaftVoter, RemoveRaftVoter]
}

served! {
    /// Every API that listeners of the controller serve.
    SERVED_BY_CONTROLLER, dispatch_controller:
    ApiVersions, ApiVersionsRequest, api_versions;
    CreateTopics, CreateTopicsRequest, create_topics;
    DeleteTopics, DeleteTopicsRequest, delete_topics;
    CreatePartitions, CreatePartitionsRequest, create_partitions;
    ElectLeaders, ElectLeadersRequest, elect_leaders;
    DescribeConfigs, DescribeConfigsRequest, describe_configs;
    AlterConfigs, AlterConfigsRequest, alter_configs;
    IncrementalAlterConfigs, IncrementalAlterConfigsRequest, incremental_alter_configs;
    DescribeQuorum, DescribeQuorumRequest, describe_quorum;
    UpdateFeatures, UpdateFeaturesRequest, update_features;
    DescribeCluster, DescribeClusterRequest, describe_cluster;
    BrokerRegistration, BrokerRegistrationRequest, broker_registration;
    BrokerHeartbeat, BrokerHeartbeatRequest, broker_heartbeat;
    UnregisterBroker, UnregisterBrokerRequest, unregister_broker;
    AllocateProducerIds, AllocateProducerIdsRequest, allocate_producer_ids;
    ControllerRegistration, ControllerRegistrationRequest, controller_registration;
    AssignReplicasToDirs, AssignReplicasToDirsRequest, assign_replicas_to_dirs;
    AlterPartition, AlterPartitionRequest, alter_partition;
    Envelope, EnvelopeRequest, envelope;
    [quorum: Fetch, Vote, BeginQuorumEpoch, EndQuorumEpoch, FetchSnapshot, AddRaftVoter, RemoveRaftVoter, UpdateRaftVoter]
}

/// The request, or nothing when it is an ApiVersions of a version that is not known here, which is answered all the same.
fn decode<'a, Q>(context: &RequestContext, body: &'a [u8]) -> Result<Option<Q>, Refusal>
where
    Q: Request + barnabas_protocol::Decode<'a>,
{
    let (version, versions) = (context.api_version, Q::KEY.answered_versions());
    if !versions.contains(version) {
        if Q::KEY == ApiKey::ApiVersions {
            return Ok(None);
        }
        return Err(Refusal::UnsupportedVersion { api_key: Q::KEY, version, min: versions.min, max: versions.max });
    }
    let mut reader = Reader::new(body);
    // Bytes after the end are left unread, as Kafka leaves them: librdkafka, coming back after a broker was away, sends a Metadata
    // request that it wrote for a newer version than its header names.
    Ok(Some(<Q as Message>::decode(&mut reader, version)?))
}

fn answer<R: Response + Send + 'static>(context: &RequestContext, reply: Reply<R>) -> Result<Answer, Refusal> {
    let (node, key) = (Arc::clone(&context.node), context.api_key);
    let (correlation_id, version) = (context.correlation_id, context.api_version);
    let encode = move |response: R| {
        let (segments, errors) = encode_reply(correlation_id, version, &response)?;
        errors.into_iter().for_each(|error| node.metrics.requests.failed(key, error));
        Ok(segments)
    };
    match reply {
        Reply::Now(response) => Ok(Answer::Now(encode(response)?)),
        Reply::Later(response) => Ok(Answer::Later(async move { encode(response.await) }.boxed())),
        Reply::Nothing => Ok(Answer::Nothing),
        Reply::Close(reason) => Err(Refusal::SilentFailure(reason)),
    }
}

#[cfg(test)]
mod tests;
