//! What a group shard can be asked and what it answers: Kafka's messages where one shard answers the whole of them, one group's
//! share where several shards do. Versions are smoothed out before and after, by the handler of the API.

use barnabas_protocol::messages::delete_groups::DeletableGroupResult;
use barnabas_protocol::messages::describe_groups::DescribedGroup;
use barnabas_protocol::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use barnabas_protocol::messages::join_group::{JoinGroupRequest, JoinGroupResponse};
use barnabas_protocol::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse};
use barnabas_protocol::messages::list_groups::{ListGroupsRequest, ListedGroup};
use barnabas_protocol::messages::offset_commit::{OffsetCommitRequest, OffsetCommitResponse};
use barnabas_protocol::messages::offset_delete::{OffsetDeleteRequest, OffsetDeleteResponse};
use barnabas_protocol::messages::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchResponseGroup};
use barnabas_protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use barnabas_types::Uuid;
use serde::{Deserialize, Serialize};

/// Who asks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Context {
    /// From the request's header; empty if there is none.
    pub client_id: Box<str>,
    /// The address, as Kafka writes it: `/127.0.0.1`.
    pub client_host: Box<str>,
    /// The request's version: what a client of that age understands.
    pub version: i16,
}

/// A request to a group shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Request {
    /// JoinGroup.
    JoinGroup {
        /// Who asks.
        context: Context,
        /// What is asked.
        request: JoinGroupRequest<'static>,
        /// Random: becomes part of the member id if one has to be made.
        member_uuid: Uuid,
    },
    /// SyncGroup.
    SyncGroup(SyncGroupRequest<'static>),
    /// Heartbeat.
    Heartbeat(HeartbeatRequest<'static>),
    /// LeaveGroup, with the single member of old versions as a list of one.
    LeaveGroup(LeaveGroupRequest<'static>),
    /// OffsetCommit, topics known by name; those that do not exist have been answered already.
    OffsetCommit {
        /// Who asks.
        context: Context,
        /// What is asked.
        request: OffsetCommitRequest<'static>,
    },
    /// One group of an OffsetFetch, topics known by name; None asks for all.
    OffsetFetch {
        /// What is asked.
        group: OffsetFetchRequestGroup<'static>,
        /// Hold back offsets that an open transaction may still change.
        require_stable: bool,
    },
    /// OffsetDelete, without the topics that do not exist.
    OffsetDelete(OffsetDeleteRequest<'static>),
    /// ListGroups, this shard's share. Never recorded: it is about every group and changes none.
    #[serde(skip)]
    ListGroups(ListGroupsRequest<'static>),
    /// DescribeGroups, this shard's share.
    DescribeGroups {
        /// Who asks.
        context: Context,
        /// Of this shard.
        group_ids: Vec<Box<str>>,
    },
    /// DeleteGroups, this shard's share.
    DeleteGroups {
        /// Of this shard.
        group_ids: Vec<Box<str>>,
    },
}

macro_rules! responses {
    ($($(#[$doc:meta])* $name:ident($answer:ty);)*) => {
        /// The answer to the [`Request`] of the same name.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Response {
            $($(#[$doc])* $name($answer),)*
        }

        $(
            impl TryFrom<Response> for $answer {
                type Error = Response;

                /// Fails with the response if it answers another kind of request.
                fn try_from(response: Response) -> Result<Self, Response> {
                    match response {
                        Response::$name(answer) => Ok(answer),
                        other => Err(other),
                    }
                }
            }
        )*
    };
}

responses! {
    /// To a JoinGroup.
    JoinGroup(JoinGroupResponse<'static>);
    /// To a SyncGroup.
    SyncGroup(SyncGroupResponse<'static>);
    /// To a Heartbeat.
    Heartbeat(HeartbeatResponse<'static>);
    /// To a LeaveGroup.
    LeaveGroup(LeaveGroupResponse<'static>);
    /// To an OffsetCommit.
    OffsetCommit(OffsetCommitResponse<'static>);
    /// To one group of an OffsetFetch.
    OffsetFetch(OffsetFetchResponseGroup<'static>);
    /// To an OffsetDelete.
    OffsetDelete(OffsetDeleteResponse<'static>);
    /// This shard's groups.
    ListGroups(Vec<ListedGroup<'static>>);
    /// This shard's share of the groups.
    DescribeGroups(Vec<DescribedGroup<'static>>);
    /// This shard's share of the groups.
    DeleteGroups(Vec<DeletableGroupResult<'static>>);
}
