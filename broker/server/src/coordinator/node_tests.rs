//! The group APIs against a running node over a socket, each in every version that it is served in.

use barnabas_protocol::messages::create_topics::CreatableTopic;
use barnabas_protocol::messages::join_group::JoinGroupRequestProtocol;
use barnabas_protocol::messages::leave_group::MemberIdentity;
use barnabas_protocol::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use barnabas_protocol::messages::offset_delete::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use barnabas_protocol::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use barnabas_protocol::messages::sync_group::SyncGroupRequestAssignment;
use barnabas_protocol::messages::*;
use barnabas_protocol::{ApiKey, ErrorCode};
use barnabas_types::Uuid;

use crate::testing::{Broker, Client, served};

/// Later versions of the newest API than any group API has.
const VERSIONS: std::ops::RangeInclusive<i16> = 0..=10;

impl Client {
    async fn create_topic(&mut self) -> Uuid {
        let topic = CreatableTopic { name: "t".into(), num_partitions: 2, replication_factor: 1, ..Default::default() };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let created = self.call(7, &request).await;
        assert_eq!(created.topics[0].error_code, ErrorCode::NONE);
        created.topics[0].topic_id
    }

    /// Where the coordinator of `group` is: here.
    async fn find(&mut self, version: i16, group: &str) {
        let version = served(ApiKey::FindCoordinator, version);
        let mut request = FindCoordinatorRequest::default();
        if version >= 4 {
            request.coordinator_keys = vec![group.to_owned().into()];
        } else {
            request.key = group.to_owned().into();
        }
        let found = self.call(version, &request).await;
        let (code, node) = match found.coordinators.first() {
            Some(coordinator) => (coordinator.error_code, coordinator.node_id),
            None => (found.error_code, found.node_id),
        };
        assert_eq!((code, node), (ErrorCode::NONE, 1), "version {version}");
    }

    async fn join(&mut self, version: i16, group: &str) -> join_group::JoinGroupResponse<'static> {
        let version = served(ApiKey::JoinGroup, version);
        let mut request = JoinGroupRequest {
            group_id: group.to_owned().into(),
            session_timeout_ms: 30_000,
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol { name: "range".into(), ..Default::default() }],
            ..Default::default()
        };
        if version >= 4 {
            let first = self.call(version, &request).await;
            assert_eq!(first.error_code, ErrorCode::MEMBER_ID_REQUIRED, "version {version}");
            request.member_id = first.member_id;
        }
        let joined = self.call(version, &request).await;
        assert_eq!((joined.error_code, joined.generation_id), (ErrorCode::NONE, 1), "version {version}");
        assert_eq!(joined.leader, joined.member_id);
        assert_eq!(joined.protocol_name.as_deref(), Some("range"));
        joined
    }

    async fn sync(&mut self, version: i16, group: &str, member: &str) {
        let version = served(ApiKey::SyncGroup, version);
        let assignment = SyncGroupRequestAssignment {
            member_id: member.to_owned().into(),
            assignment: b"all".to_vec().into(),
            ..Default::default()
        };
        let request = SyncGroupRequest {
            group_id: group.to_owned().into(),
            generation_id: 1,
            member_id: member.to_owned().into(),
            protocol_type: (version >= 5).then(|| "consumer".into()),
            protocol_name: (version >= 5).then(|| "range".into()),
            assignments: vec![assignment],
            ..Default::default()
        };
        let synced = self.call(version, &request).await;
        assert_eq!((synced.error_code, &*synced.assignment), (ErrorCode::NONE, &b"all"[..]), "version {version}");
    }

    async fn heartbeat(&mut self, version: i16, group: &str, member: &str) {
        let request = HeartbeatRequest {
            group_id: group.to_owned().into(),
            generation_id: 1,
            member_id: member.to_owned().into(),
            ..Default::default()
        };
        assert_eq!(self.call(version, &request).await.error_code, ErrorCode::NONE, "version {version}");
    }

    /// Commits 5 for partition 0, which exists, and for 9, which does not.
    async fn commit(&mut self, version: i16, group: &str, member: &str, topic_id: Uuid) {
        let partition = |partition_index| OffsetCommitRequestPartition {
            partition_index,
            committed_offset: 5,
            committed_metadata: Some("m".into()),
            ..Default::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: "t".into(),
            topic_id,
            partitions: vec![partition(0), partition(9)],
            ..Default::default()
        };
        let request = OffsetCommitRequest {
            group_id: group.to_owned().into(),
            generation_id_or_member_epoch: 1,
            member_id: member.to_owned().into(),
            topics: vec![topic],
            ..Default::default()
        };
        let committed = self.call(version, &request).await;
        let codes: Vec<_> =
            committed.topics[0].partitions.iter().map(|found| (found.partition_index, found.error_code)).collect();
        let expected = [(0, ErrorCode::NONE), (9, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)];
        assert_eq!(codes, expected, "version {version}");
    }

    /// The offset that `group` has committed for partition 0 of the topic.
    async fn fetch(&mut self, version: i16, group: &str, topic_id: Uuid) -> i64 {
        let version = served(ApiKey::OffsetFetch, version);
        let mut request = OffsetFetchRequest::default();
        if version >= 8 {
            let name = if version >= 10 { "" } else { "t" };
            let topic_id = if version >= 10 { topic_id } else { Uuid::ZERO };
            let topics = OffsetFetchRequestTopics {
                name: name.into(),
                topic_id,
                partition_indexes: vec![0],
                ..Default::default()
            };
            let group_id = group.to_owned().into();
            let asked = OffsetFetchRequestGroup { group_id, topics: Some(vec![topics]), ..Default::default() };
            request.groups = vec![asked];
        } else {
            request.group_id = group.to_owned().into();
            let topic = OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0], ..Default::default() };
            request.topics = Some(vec![topic]);
        }
        let fetched = self.call(version, &request).await;
        if version < 8 {
            return fetched.topics[0].partitions[0].committed_offset;
        }
        let offset = fetched.groups[0].topics[0].partitions[0].committed_offset;
        assert_eq!(offset, self.fetch_all(version, group).await, "version {version}");
        offset
    }

    /// As `fetch`, without naming the topic. The group is named twice and answered once.
    async fn fetch_all(&mut self, version: i16, group: &str) -> i64 {
        let asked = OffsetFetchRequestGroup { group_id: group.to_owned().into(), topics: None, ..Default::default() };
        let request = OffsetFetchRequest { groups: vec![asked.clone(), asked], ..Default::default() };
        let fetched = self.call(version, &request).await;
        assert_eq!((fetched.groups.len(), fetched.groups[0].error_code), (1, ErrorCode::NONE), "version {version}");
        fetched.groups[0].topics.first().map_or(-1, |topic| topic.partitions[0].committed_offset)
    }

    async fn describe(&mut self, version: i16, group: &str) -> (String, Vec<u8>) {
        let version = served(ApiKey::DescribeGroups, version);
        let groups = vec![group.to_owned().into()];
        let request =
            DescribeGroupsRequest { groups, include_authorized_operations: version >= 3, ..Default::default() };
        let described = self.call(version, &request).await;
        let described = &described.groups[0];
        let says_operations = described.authorized_operations != i32::MIN;
        assert_eq!(says_operations, version >= 3 && described.error_code == ErrorCode::NONE, "version {version}");
        let assignment = described.members.first().map(|member| member.member_assignment.to_vec()).unwrap_or_default();
        (described.group_state.to_string(), assignment)
    }

    async fn leave(&mut self, version: i16, group: &str, member: &str) {
        let version = served(ApiKey::LeaveGroup, version);
        let mut request = LeaveGroupRequest { group_id: group.to_owned().into(), ..Default::default() };
        if version >= 3 {
            request.members = vec![MemberIdentity { member_id: member.to_owned().into(), ..Default::default() }];
        } else {
            request.member_id = member.to_owned().into();
        }
        let left = self.call(version, &request).await;
        assert_eq!(left.error_code, ErrorCode::NONE, "version {version}");
        // Who has left is not known any more: old versions say so at the top, newer ones by member.
        let again = self.call(version, &request).await;
        let code = again.members.first().map_or(again.error_code, |member| member.error_code);
        assert_eq!(code, ErrorCode::UNKNOWN_MEMBER_ID, "version {version}");
    }

    async fn list(&mut self, version: i16) -> Vec<String> {
        let listed = self.call(version, &ListGroupsRequest::default()).await;
        assert_eq!(listed.error_code, ErrorCode::NONE);
        listed.groups.iter().map(|group| group.group_id.to_string()).collect()
    }

    async fn delete_offset(&mut self, group: &str) {
        let partitions = [0, 9].map(|partition_index| OffsetDeleteRequestPartition { partition_index }).to_vec();
        let topics = vec![OffsetDeleteRequestTopic { name: "t".into(), partitions }];
        let request = OffsetDeleteRequest { group_id: group.to_owned().into(), topics };
        let deleted = self.call(0, &request).await;
        let codes: Vec<_> = deleted.topics[0].partitions.iter().map(|found| found.error_code).collect();
        assert_eq!(
            (deleted.error_code, codes),
            (ErrorCode::NONE, vec![ErrorCode::NONE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION])
        );
    }

    async fn delete(&mut self, version: i16, group: &str) -> ErrorCode {
        let request = DeleteGroupsRequest { groups_names: vec![group.to_owned().into()], ..Default::default() };
        self.call(version, &request).await.results[0].error_code
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_version_of_every_group_api_goes_through_a_groups_life() {
    let broker = Broker::start().await;
    let mut client = broker.connect().await;
    let topic_id = client.create_topic().await;
    for version in VERSIONS {
        let group = format!("group-{version}");
        client.find(version, &group).await;
        let member = client.join(version, &group).await.member_id;
        client.sync(version, &group, &member).await;
        client.heartbeat(version, &group, &member).await;
        client.commit(version, &group, &member, topic_id).await;
        assert_eq!(client.fetch(version, &group, topic_id).await, 5, "version {version}");
        assert_eq!(client.describe(version, &group).await, ("Stable".to_owned(), b"all".to_vec()));
        assert_eq!(client.delete(version, &group).await, ErrorCode::NON_EMPTY_GROUP);
        client.leave(version, &group, &member).await;
        assert!(client.list(version).await.contains(&group));
        client.delete_offset(&group).await;
        assert_eq!(client.fetch(version, &group, topic_id).await, -1, "version {version}");
        assert_eq!(client.delete(version, &group).await, ErrorCode::NONE);
        assert_eq!(client.describe(version, &group).await.0, "Dead");
        assert!(!client.list(version).await.contains(&group));
    }
    broker.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_no_coordinator_can_answer_say_why() {
    let broker = Broker::start().await;
    let mut client = broker.connect().await;
    // Before anybody has asked for a coordinator there is none.
    let heartbeat = HeartbeatRequest { group_id: "g".into(), ..Default::default() };
    assert_eq!(client.call(4, &heartbeat).await.error_code, ErrorCode::NOT_COORDINATOR);
    assert_eq!(client.fetch_error("g").await, ErrorCode::NOT_COORDINATOR);
    client.find(6, "g").await;
    assert_eq!(client.call(4, &HeartbeatRequest::default()).await.error_code, ErrorCode::INVALID_GROUP_ID);
    assert_eq!(client.call(9, &JoinGroupRequest::default()).await.error_code, ErrorCode::INVALID_GROUP_ID);
    let unnamed = SyncGroupRequest { group_id: "g".into(), ..Default::default() };
    assert_eq!(client.call(5, &unnamed).await.error_code, ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let transaction = FindCoordinatorRequest {
        key_type: 1,
        coordinator_keys: vec!["a transactional id".into()],
        ..Default::default()
    };
    let found = client.call(6, &transaction).await;
    assert_eq!(found.coordinators[0].error_code, ErrorCode::INVALID_REQUEST);
    let topic = OffsetCommitRequestTopic {
        topic_id: Uuid::from_u128(7),
        partitions: vec![OffsetCommitRequestPartition::default()],
        ..Default::default()
    };
    let commit = OffsetCommitRequest { group_id: "g".into(), topics: vec![topic], ..Default::default() };
    let refused = client.call(10, &commit).await;
    assert_eq!(refused.topics[0].partitions[0].error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    broker.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_waits_for_its_group_does_not_hold_back_a_stop() {
    let broker = Broker::start().await;
    let mut first = broker.connect().await;
    first.find(6, "g").await;
    let member = first.join(3, "g").await.member_id;
    first.sync(3, "g", &member).await;
    let mut second = broker.connect().await;
    let waiting = tokio::spawn(async move {
        let request = JoinGroupRequest {
            group_id: "g".into(),
            session_timeout_ms: 30_000,
            rebalance_timeout_ms: 300_000,
            protocol_type: "consumer".into(),
            protocols: vec![JoinGroupRequestProtocol { name: "range".into(), ..Default::default() }],
            ..Default::default()
        };
        second.try_call(3, &request).await.map(|joined| joined.error_code)
    });
    while first.describe(6, "g").await.0 != "PreparingRebalance" {
        tokio::task::yield_now().await;
    }
    broker.running.stop().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), ErrorCode::NOT_COORDINATOR);
}

impl Client {
    async fn fetch_error(&mut self, group: &str) -> ErrorCode {
        let asked = OffsetFetchRequestGroup { group_id: group.to_owned().into(), topics: None, ..Default::default() };
        let request = OffsetFetchRequest { groups: vec![asked], ..Default::default() };
        self.call(9, &request).await.groups[0].error_code
    }
}
