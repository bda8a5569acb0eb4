//! The client against a scripted node: version negotiation, routing, trying again, and what is left of a call that was given up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barnabas_net::{FrameReader, InPlace, write_segments};
use barnabas_protocol::messages::api_versions::ApiVersion;
use barnabas_protocol::messages::create_topics::{CreatableTopic, CreatableTopicResult};
use barnabas_protocol::messages::find_coordinator::Coordinator;
use barnabas_protocol::messages::list_offsets::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use barnabas_protocol::messages::metadata::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use barnabas_protocol::messages::offset_fetch::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use barnabas_protocol::messages::*;
use barnabas_protocol::{ApiKey, ErrorCode, Message, Reader, RequestHeader, Response, encode_response};
use barnabas_types::{Segments, TopicPartition, Uuid};
use tokio::net::{TcpListener, TcpStream};

use crate::{Client, ClientError, FoundOffset, OffsetQuery, Settings};

/// What the node does with the next request of an API.
enum Answer {
    Reply(Segments),
    Close,
    Silence,
}

/// Gives the answer to one request.
type Script = Box<dyn FnMut(&RequestHeader<'_>, &mut Reader<'_>) -> Answer + Send>;

/// A node that answers from scripts, one an API key, and notes what it was asked.
#[derive(Clone)]
struct ScriptedNode {
    port: u16,
    scripts: Arc<Mutex<Vec<(ApiKey, Script)>>>,
    asked: Arc<Mutex<Vec<(ApiKey, i16)>>>,
}

fn reply<R: Response>(header: &RequestHeader<'_>, response: &R) -> Answer {
    Answer::Reply(encode_response(header.correlation_id, header.api_version, response).unwrap())
}

impl ScriptedNode {
    /// A node that serves every API in all versions, and is the only one of its cluster, as node 5.
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let node = Self { port, scripts: Arc::default(), asked: Arc::default() };
        node.on(ApiKey::ApiVersions, |header, _| reply(header, &all_versions()));
        node.on(ApiKey::Metadata, move |header, _| reply(header, &metadata(port)));
        let serving = node.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        node
    }

    fn on(&self, key: ApiKey, script: impl FnMut(&RequestHeader<'_>, &mut Reader<'_>) -> Answer + Send + 'static) {
        let mut scripts = self.scripts.lock().unwrap();
        scripts.retain(|(scripted, _)| *scripted != key);
        scripts.push((key, Box::new(script)));
    }

    fn asked(&self, key: ApiKey) -> Vec<i16> {
        self.asked.lock().unwrap().iter().filter(|(asked, _)| *asked == key).map(|(_, version)| *version).collect()
    }

    async fn serve(self, stream: TcpStream) {
        let (read, mut write) = stream.into_split();
        let mut frames = FrameReader::new(read, 1 << 20);
        while let Ok(Some(frame)) = frames.next().await {
            let answer = self.answer(&frame);
            match answer {
                Answer::Reply(segments) => write_segments(&mut write, segments, &InPlace).await.unwrap(),
                Answer::Close => return,
                Answer::Silence => {}
            }
        }
    }

    fn answer(&self, frame: &[u8]) -> Answer {
        let mut reader = Reader::new(frame);
        let header = RequestHeader::decode(&mut reader).unwrap();
        self.asked.lock().unwrap().push((header.api_key, header.api_version));
        let mut scripts = self.scripts.lock().unwrap();
        let script = scripts.iter_mut().find(|(key, _)| *key == header.api_key);
        (script.unwrap_or_else(|| panic!("no script for {}", header.api_key)).1)(&header, &mut reader)
    }

    fn settings(&self) -> Settings {
        Settings::new(vec![format!("127.0.0.1:{}", self.port)], "test")
    }

    fn client(&self) -> Client {
        Client::new(self.settings()).unwrap()
    }
}

fn all_versions() -> ApiVersionsResponse<'static> {
    let row = |key: ApiKey| ApiVersion {
        api_key: key.number(),
        min_version: key.versions().min,
        max_version: key.versions().max,
        ..Default::default()
    };
    ApiVersionsResponse { api_keys: ApiKey::all().map(row).collect(), ..Default::default() }
}

/// Node 5 leads partitions 0 and 1 of topic `t`.
fn metadata(port: u16) -> MetadataResponse<'static> {
    let broker =
        MetadataResponseBroker { node_id: 5, host: "127.0.0.1".into(), port: i32::from(port), ..Default::default() };
    let partition = |partition_index| MetadataResponsePartition { partition_index, leader_id: 5, ..Default::default() };
    let topic = MetadataResponseTopic {
        name: Some("t".into()),
        partitions: vec![partition(0), partition(1)],
        ..Default::default()
    };
    MetadataResponse { brokers: vec![broker], topics: vec![topic], ..Default::default() }
}

fn created(code: ErrorCode) -> CreateTopicsResponse<'static> {
    let result = CreatableTopicResult { name: "t".into(), error_code: code, num_partitions: 3, ..Default::default() };
    CreateTopicsResponse { topics: vec![result], ..Default::default() }
}

fn topic() -> CreatableTopic<'static> {
    CreatableTopic { name: "t".into(), num_partitions: 3, replication_factor: -1, ..Default::default() }
}

#[tokio::test]
async fn an_old_node_that_refuses_the_newest_api_versions_is_asked_in_the_oldest() {
    let node = ScriptedNode::start().await;
    node.on(ApiKey::ApiVersions, |header, _| {
        let mut response = all_versions();
        if header.api_version > 0 {
            response = ApiVersionsResponse { error_code: ErrorCode::UNSUPPORTED_VERSION, ..Default::default() };
        }
        Answer::Reply(encode_response(header.correlation_id, 0, &response).unwrap())
    });
    assert_eq!(node.client().nodes().await.unwrap()[0].node_id, 5);
    assert_eq!(node.asked(ApiKey::ApiVersions), [4, 0]);
}

#[tokio::test]
async fn the_newest_version_that_both_know_is_used_and_none_is_an_error() {
    let node = ScriptedNode::start().await;
    node.on(ApiKey::ApiVersions, |header, _| {
        let mut response = all_versions();
        response.api_keys.iter_mut().filter(|row| row.api_key == 3).for_each(|row| row.max_version = 8);
        response.api_keys.retain(|row| row.api_key != 19);
        reply(header, &response)
    });
    let client = node.client();
    client.metadata(None).await.unwrap();
    assert_eq!(node.asked(ApiKey::Metadata), [8]);
    let error = client.create_topic(&topic(), false).await.unwrap_err();
    assert!(matches!(error, ClientError::NoCommonVersion { api: ApiKey::CreateTopics, .. }), "{error}");
}

#[tokio::test]
async fn a_retriable_code_and_a_closed_connection_are_tried_again_and_a_final_code_is_not() {
    let node = ScriptedNode::start().await;
    let mut turns = VecDeque::from([
        None,
        Some(ErrorCode::NOT_CONTROLLER),
        Some(ErrorCode::NONE),
        Some(ErrorCode::INVALID_PARTITIONS),
    ]);
    node.on(ApiKey::CreateTopics, move |header, _| match turns.pop_front().flatten() {
        Some(code) => reply(header, &created(code)),
        None => Answer::Close,
    });
    let client = node.client();
    assert_eq!(client.create_topic(&topic(), false).await.unwrap().num_partitions, 3);
    assert_eq!(node.asked(ApiKey::CreateTopics).len(), 3);
    let error = client.create_topic(&topic(), false).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::INVALID_PARTITIONS));
    assert_eq!(
        error.to_string(),
        "CreateTopics of t failed: INVALID_PARTITIONS (37): the number of partitions is not valid"
    );
}

#[tokio::test]
async fn a_bootstrap_server_that_is_down_is_passed_over() {
    let node = ScriptedNode::start().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut settings = node.settings();
    settings.bootstrap_servers.insert(0, free.to_string());
    assert_eq!(Client::new(settings).unwrap().nodes().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_node_that_says_nothing_is_a_timeout_and_its_connection_is_not_used_again() {
    let node = ScriptedNode::start().await;
    let mut silent = true;
    node.on(ApiKey::CreateTopics, move |header, _| {
        if std::mem::take(&mut silent) { Answer::Silence } else { reply(header, &created(ErrorCode::NONE)) }
    });
    let mut settings = node.settings();
    settings.request_timeout = Duration::from_millis(100);
    settings.call_timeout = Duration::from_millis(120);
    let client = Client::new(settings).unwrap();
    let error = client.create_topic(&topic(), false).await.unwrap_err();
    assert!(matches!(error, ClientError::Timeout { api: ApiKey::CreateTopics, .. }), "{error}");
    assert_eq!(client.create_topic(&topic(), false).await.unwrap().num_partitions, 3);
    assert_eq!(node.asked(ApiKey::ApiVersions).len(), 2);
}

#[tokio::test]
async fn a_response_to_another_request_is_an_error() {
    let node = ScriptedNode::start().await;
    node.on(ApiKey::CreateTopics, |header, _| {
        Answer::Reply(
            encode_response(header.correlation_id + 1, header.api_version, &created(ErrorCode::NONE)).unwrap(),
        )
    });
    let error = node.client().create_topic(&topic(), false).await.unwrap_err();
    assert!(matches!(error, ClientError::Correlation { expected: 1, received: 2, .. }), "{error}");
}

#[tokio::test]
async fn offsets_are_asked_of_the_leader_and_only_the_moved_partition_is_asked_again() {
    let node = ScriptedNode::start().await;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    node.on(ApiKey::ListOffsets, move |header, reader| {
        let request = ListOffsetsRequest::decode(reader, header.api_version).unwrap();
        let partitions: Vec<i32> = request.topics[0].partitions.iter().map(|row| row.partition_index).collect();
        let first = noted.lock().unwrap().is_empty();
        noted.lock().unwrap().push(partitions.clone());
        let row = |&partition_index: &i32| ListOffsetsPartitionResponse {
            partition_index,
            offset: 10 + i64::from(partition_index),
            error_code: if first && partition_index == 1 { ErrorCode::NOT_LEADER_OR_FOLLOWER } else { ErrorCode::NONE },
            ..Default::default()
        };
        let partitions = partitions.iter().map(row).collect();
        let topics = vec![ListOffsetsTopicResponse { name: "t".into(), partitions, ..Default::default() }];
        reply(header, &ListOffsetsResponse { topics, ..Default::default() })
    });
    let partitions =
        [("t", 0), ("t", 1), ("t", 7), ("gone", 0)].map(|(topic, partition)| TopicPartition::new(topic, partition));
    let found = node.client().list_offsets(&partitions, OffsetQuery::Latest).await.unwrap();
    let offset = |offset| Ok(FoundOffset { offset, timestamp: -1, leader_epoch: -1 });
    assert_eq!(found[&partitions[0]], offset(10));
    assert_eq!(found[&partitions[1]], offset(11));
    assert_eq!(found[&partitions[2]], Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(found[&partitions[3]], Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(*asked.lock().unwrap(), [vec![0, 1], vec![1]]);
}

#[tokio::test]
async fn committed_offsets_come_from_the_coordinator_once_it_has_loaded() {
    let node = ScriptedNode::start().await;
    let mut loading = true;
    node.on(ApiKey::FindCoordinator, |header, _| {
        let coordinator = Coordinator { key: "g".into(), node_id: 5, ..Default::default() };
        reply(header, &FindCoordinatorResponse { coordinators: vec![coordinator], ..Default::default() })
    });
    node.on(ApiKey::OffsetFetch, move |header, _| {
        let code = if std::mem::take(&mut loading) { ErrorCode::COORDINATOR_LOAD_IN_PROGRESS } else { ErrorCode::NONE };
        let row = |partition_index, committed_offset| OffsetFetchResponsePartitions {
            partition_index,
            committed_offset,
            ..Default::default()
        };
        let topic = OffsetFetchResponseTopics {
            name: "t".into(),
            partitions: vec![row(0, 42), row(1, -1)],
            ..Default::default()
        };
        let group = OffsetFetchResponseGroup {
            group_id: "g".into(),
            topics: vec![topic],
            error_code: code,
            ..Default::default()
        };
        reply(header, &OffsetFetchResponse { groups: vec![group], ..Default::default() })
    });
    let offsets = node.client().offset_fetch("g").await.unwrap();
    assert_eq!(offsets.len(), 1);
    assert_eq!((offsets[0].partition.to_string(), offsets[0].offset), ("t-0".to_owned(), 42));
    assert_eq!(node.asked(ApiKey::OffsetFetch), [9, 9]);
}

#[tokio::test]
async fn the_quorum_is_described_by_its_leader_and_another_controller_says_so_at_once() {
    use barnabas_protocol::messages::describe_quorum::{PartitionDataResult, ReplicaState, TopicDataResult};
    let node = ScriptedNode::start().await;
    let replica = ReplicaState { replica_id: 3, replica_directory_id: Uuid([7; 16]), ..Default::default() };
    let partition = PartitionDataResult { leader_id: 3, current_voters: vec![replica], ..Default::default() };
    let topic = TopicDataResult { partitions: vec![partition], ..Default::default() };
    let described = DescribeQuorumResponse { topics: vec![topic], ..Default::default() };
    let mut answers = VecDeque::from([
        described,
        DescribeQuorumResponse { error_code: ErrorCode::NOT_LEADER_OR_FOLLOWER, ..Default::default() },
        DescribeQuorumResponse::default(),
    ]);
    node.on(ApiKey::DescribeQuorum, move |header, _| reply(header, &answers.pop_front().unwrap()));
    let client = node.client();
    let quorum = client.describe_quorum().await.unwrap();
    assert_eq!(quorum.topics[0].partitions[0].current_voters[0].replica_directory_id, Uuid([7; 16]));
    assert_eq!(client.describe_quorum().await.unwrap_err().code(), Some(ErrorCode::NOT_LEADER_OR_FOLLOWER));
    assert!(matches!(client.describe_quorum().await.unwrap_err(), ClientError::Missing { .. }));
    assert_eq!(node.asked(ApiKey::DescribeQuorum), [2, 2, 2], "nothing is tried again");
}

#[tokio::test]
async fn a_change_of_the_voters_is_asked_for_once_and_its_refusal_told() {
    let node = ScriptedNode::start().await;
    node.on(ApiKey::AddRaftVoter, |header, reader| {
        let request = AddRaftVoterRequest::decode(reader, header.api_version).unwrap();
        assert_eq!((request.voter_id, request.voter_directory_id), (2, Uuid([9; 16])));
        reply(header, &AddRaftVoterResponse { error_code: ErrorCode::DUPLICATE_VOTER, ..Default::default() })
    });
    node.on(ApiKey::RemoveRaftVoter, |header, _| reply(header, &RemoveRaftVoterResponse::default()));
    let client = node.client();
    let refused = client.add_raft_voter(2, Uuid([9; 16]), Vec::new()).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::DUPLICATE_VOTER));
    client.remove_raft_voter(2, Uuid([8; 16])).await.unwrap();
    assert_eq!(node.asked(ApiKey::AddRaftVoter).len(), 1);
}

#[tokio::test]
async fn calls_can_be_made_from_tasks_that_move_between_threads() {
    let node = ScriptedNode::start().await;
    let client = Arc::new(node.client());
    let task = tokio::spawn(async move { client.list_offsets(&[], OffsetQuery::Earliest).await });
    assert_eq!(task.await.unwrap().unwrap().len(), 0);
}
