//! Runs the scripts beside this file: commands, `---`, then what a group shard appends (`+`), reports (`*`) and replies (`<-`), and
//! the groups after it (`=`). `UPDATE_TESTSCRIPTS=1 cargo test -p barnabas-coordinator` writes what happens now; read the
//! difference before committing it. After every command the log is replayed and must give what the shard has.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use barnabas_protocol::messages::SyncGroupRequest;
use barnabas_protocol::messages::describe_groups::DescribedGroup;
use barnabas_protocol::messages::heartbeat::HeartbeatRequest;
use barnabas_protocol::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse};
use barnabas_protocol::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use barnabas_protocol::messages::list_groups::ListGroupsRequest;
use barnabas_protocol::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use barnabas_protocol::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use barnabas_protocol::messages::offset_fetch::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use barnabas_protocol::messages::sync_group::SyncGroupRequestAssignment;
use barnabas_types::{Now, ProducerId, Timestamp, Uuid};

use crate::group::{ClassicGroup, Context, Event, GroupConfig, GroupShard, Phase, Request, Response};
use crate::record;
use crate::{Effects, Input, Record, Replayed, ReplyToken, Shard};

/// What the monotonic clock reads when a script begins; the wall clock is a day ahead of it, so that mixing them up shows.
const START_MS: u64 = 1_000_000;
const WALL_AHEAD_MS: i64 = 86_400_000;
/// The tail of a member id, before the number of the request that made it; scripts write `#`.
const UUID_HEAD: &str = "-00000000-0000-0000-0000-";

/// One shard under test, with its log and who waits for which reply.
struct GroupContext {
    shard: GroupShard,
    config: GroupConfig,
    log: Vec<Entry>,
    now_ms: u64,
    requests: u64,
    waiting: BTreeMap<ReplyToken, String>,
}

/// What a partition holds.
enum Entry {
    Record(Box<Record>, ProducerId),
    TransactionEnd(ProducerId, bool),
}

struct Command<'a> {
    name: &'a str,
    words: Vec<&'a str>,
    named: BTreeMap<&'a str, String>,
}

impl<'a> Command<'a> {
    fn parse(line: &'a str) -> Self {
        let mut rest = line.split_whitespace();
        let name = rest.next().unwrap();
        let (mut words, mut named) = (Vec::new(), BTreeMap::new());
        for word in rest {
            match word.split_once('=').filter(|(key, _)| !key.contains(':')) {
                Some((key, value)) => drop(named.insert(key, long_ids(value))),
                None => words.push(word),
            }
        }
        Self { name, words, named }
    }

    fn text(&self, name: &str) -> String {
        self.named.get(name).cloned().unwrap_or_default()
    }

    fn option<T: From<String>>(&self, name: &str) -> Option<T> {
        self.named.get(name).cloned().map(T::from)
    }

    fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> T {
        self.named.get(name).map_or(default, |text| text.parse().ok().expect(text))
    }

    fn group(&self) -> String {
        self.words.first().map(|word| (*word).to_owned()).unwrap_or_default()
    }

    /// The other words, `topic:partition` with `=offset` where a commit needs one.
    fn partitions(&self) -> BTreeMap<&'a str, Vec<(i32, i64)>> {
        let mut topics: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for word in self.words.iter().skip(1) {
            let (topic, partition) = word.split_once(':').expect(word);
            let (partition, offset) = partition.split_once('=').unwrap_or((partition, "0"));
            topics.entry(topic).or_default().push((partition.parse().unwrap(), offset.parse().unwrap()));
        }
        topics
    }
}

fn long_ids(text: &str) -> String {
    let mut parts = text.split('#');
    let mut long = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.chars().take_while(char::is_ascii_digit).count();
        let (number, rest) = part.split_at(digits);
        write!(long, "{UUID_HEAD}{:012x}{rest}", number.parse::<u64>().unwrap()).unwrap();
    }
    long
}

fn short_ids(text: &str) -> String {
    let mut parts = text.split(UUID_HEAD);
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_at(12);
        write!(short, "#{}{rest}", u64::from_str_radix(number, 16).unwrap()).unwrap();
    }
    short
}

impl GroupContext {
    fn new(config: GroupConfig) -> Self {
        let shard = GroupShard::new(config.clone());
        let mut context =
            Self { shard, config, log: Vec::new(), now_ms: START_MS, requests: 0, waiting: BTreeMap::new() };
        context.handle(Input::Loaded);
        context
    }

    fn now(&self) -> Now {
        let wall = Timestamp(self.now_ms as i64 + WALL_AHEAD_MS);
        Now { monotonic: Duration::from_millis(self.now_ms), wall }
    }

    fn handle(&mut self, input: Input<Request>) -> Effects<Response, Event> {
        // As in a round: what comes of others before is there, and stays in front.
        let before = record::group_tombstone("of another input");
        let mut effects = Effects { records: vec![before.clone()], ..Effects::default() };
        self.shard.handle(input, self.now(), &mut effects);
        assert_eq!(effects.records.remove(0), before);
        self.log.extend(effects.records.iter().map(|record| Entry::Record(Box::new(record.clone()), ProducerId::NONE)));
        effects
    }

    fn replayed(&self) -> GroupShard {
        let mut shard = GroupShard::new(self.config.clone());
        for entry in &self.log {
            match entry {
                Entry::Record(record, producer_id) => {
                    let encoded = record::encode(record).unwrap();
                    let record = record::decode(Some(&encoded.key), encoded.value.as_deref()).unwrap().unwrap();
                    shard.replay(Replayed { record, producer_id: *producer_id }).unwrap();
                }
                Entry::TransactionEnd(producer_id, committed) => shard.replay_transaction_end(*producer_id, *committed),
            }
        }
        shard
    }

    /// Nothing that a client has been told may hang on the state that a reload loses.
    fn assert_log_matches_state(&self) {
        let replayed = self.replayed();
        assert_eq!(format!("{:?}", self.shard.offsets), format!("{:?}", replayed.offsets));
        let groups = |shard: &GroupShard| -> Vec<_> {
            let settled = |group: &&ClassicGroup| matches!(group.phase(), Phase::Stable | Phase::Empty);
            let groups = shard.groups().filter(settled);
            groups.filter(|group| group.protocol_type().is_some()).map(ClassicGroup::to_record).collect()
        };
        let after = groups(&replayed);
        for group in groups(&self.shard) {
            assert!(after.contains(&group), "the log does not have {group:?}");
        }
        for group in self.shard.groups() {
            assert!(replayed.groups().any(|found| found.id() == group.id()), "the log does not know {}", group.id());
        }
    }

    fn run(&mut self, line: &str, trace: &mut String) {
        let command = Command::parse(line);
        match command.name {
            "config" => *self = Self::new(config(&command)),
            "advance" => self.advance(command.words[0].parse().unwrap(), trace),
            "reload" => {
                if !command.named.is_empty() {
                    self.config = config(&command);
                }
                self.shard = self.replayed();
                self.waiting.clear();
                let effects = self.handle(Input::Loaded);
                self.show(&effects, trace);
            }
            "topics-deleted" => {
                let topics = command.words.iter().map(|name| ((*name).into(), Uuid::ZERO)).collect();
                let effects = self.handle(Input::TopicsDeleted(topics));
                self.show(&effects, trace);
            }
            "transaction-commit" => self.transaction_commit(&command),
            "transaction-end" => {
                let producer_id = ProducerId(command.number("producer", 1));
                let committed = command.number("committed", true);
                self.shard.replay_transaction_end(producer_id, committed);
                self.log.push(Entry::TransactionEnd(producer_id, committed));
            }
            _ => {
                self.requests += 1;
                let token = ReplyToken(self.requests);
                let (who, request) = self.request(&command);
                self.waiting.insert(token, who);
                let effects = self.handle(Input::Request { token, request });
                self.show(&effects, trace);
            }
        }
        self.assert_log_matches_state();
        for group in self.shard.groups() {
            writeln!(trace, "= {}", short_ids(&state(group))).unwrap();
        }
    }

    /// Moves time on, stopping at every deadline on the way.
    fn advance(&mut self, by_ms: u64, trace: &mut String) {
        let end_ms = self.now_ms + by_ms;
        while let Some(deadline) = self.shard.next_deadline().filter(|due| *due <= Duration::from_millis(end_ms)) {
            self.now_ms = self.now_ms.max(deadline.as_millis() as u64);
            let effects = self.handle(Input::Tick);
            if !effects.records.is_empty() || !effects.replies.is_empty() || !effects.events.is_empty() {
                writeln!(trace, "at +{} ms", by_ms - (end_ms - self.now_ms)).unwrap();
            }
            self.show(&effects, trace);
        }
        self.now_ms = end_ms;
    }

    fn transaction_commit(&mut self, command: &Command<'_>) {
        let mut scratch = GroupContext::new(self.config.clone());
        scratch.now_ms = self.now_ms;
        let (_, request) = scratch.request(command);
        let effects = scratch.handle(Input::Request { token: ReplyToken(0), request });
        let producer_id = ProducerId(command.number("producer", 1));
        for record in effects.records {
            self.shard.replay(Replayed { record: record.clone(), producer_id }).unwrap();
            self.log.push(Entry::Record(Box::new(record), producer_id));
        }
    }

    fn request(&self, command: &Command<'_>) -> (String, Request) {
        let version = command.number("version", 9);
        let client_id = command.text("client");
        let context = Context { client_id: client_id.as_str().into(), client_host: "/127.0.0.1".into(), version };
        let member_id = command.text("member");
        let who = if client_id.is_empty() { member_id.clone() } else { client_id };
        let who = if who.is_empty() { command.name.to_owned() } else { who };
        let group_ids = || command.words.iter().map(|word| (*word).into()).collect();
        let request = match command.name {
            "join" => Request::JoinGroup {
                context,
                request: join(command),
                member_uuid: Uuid::from_u128(self.requests.into()),
            },
            "sync" => Request::SyncGroup(sync(command)),
            "heartbeat" => Request::Heartbeat(HeartbeatRequest {
                group_id: command.group().into(),
                member_id: member_id.into(),
                generation_id: command.number("generation", -1),
                group_instance_id: command.option("instance"),
                ..Default::default()
            }),
            "leave" => Request::LeaveGroup(leave(command)),
            "commit" | "transaction-commit" => Request::OffsetCommit { context, request: commit(command) },
            "fetch" => Request::OffsetFetch { group: fetch(command), require_stable: command.number("stable", false) },
            "delete-offsets" => Request::OffsetDelete(delete_offsets(command)),
            "delete" => Request::DeleteGroups { group_ids: group_ids() },
            "describe" => Request::DescribeGroups { context, group_ids: group_ids() },
            "list" => Request::ListGroups(ListGroupsRequest {
                states_filter: list(command, "states"),
                types_filter: list(command, "types"),
                ..Default::default()
            }),
            other => panic!("no command {other}"),
        };
        (who, request)
    }

    fn show(&mut self, effects: &Effects<Response, Event>, trace: &mut String) {
        for record in &effects.records {
            writeln!(trace, "+ {}", short_ids(&shown_record(record))).unwrap();
        }
        for event in &effects.events {
            writeln!(trace, "* {}", short_ids(&format!("{event:?}"))).unwrap();
        }
        for (token, response) in &effects.replies {
            let who = self.waiting.remove(token).expect("a reply to a request that waits");
            writeln!(trace, "{} <- {}", short_ids(&who), short_ids(&shown(response))).unwrap();
        }
    }
}

fn config(command: &Command<'_>) -> GroupConfig {
    let default = GroupConfig::default();
    GroupConfig {
        initial_rebalance_delay_ms: command.number("initial_rebalance_delay_ms", default.initial_rebalance_delay_ms),
        max_size: command.number("max_size", default.max_size),
        max_groups: command.number("max_groups", default.max_groups),
        max_pending_members: command.number("max_pending_members", default.max_pending_members),
        max_record_bytes: command.number("max_record_bytes", default.max_record_bytes),
        offset_metadata_max_bytes: command.number("offset_metadata_max_bytes", default.offset_metadata_max_bytes),
        offsets_retention_ms: command.number("offsets_retention_ms", default.offsets_retention_ms),
        offsets_retention_check_interval_ms: command.number("check_interval_ms", 100_000_000),
        ..default
    }
}

/// `protocols=range:t1,t2;sticky:t1` with the topics that the member subscribes to.
fn join(command: &Command<'_>) -> JoinGroupRequest<'static> {
    let protocols = command.named.get("protocols").cloned().unwrap_or("range:t".into());
    let protocol = |text: &str| {
        let (name, topics) = text.split_once(':').unwrap();
        JoinGroupRequestProtocol {
            name: name.to_owned().into(),
            metadata: subscription(topics).into(),
            ..Default::default()
        }
    };
    JoinGroupRequest {
        group_id: command.group().into(),
        member_id: command.text("member").into(),
        group_instance_id: command.option("instance"),
        session_timeout_ms: command.number("session", 10_000),
        rebalance_timeout_ms: command.number("rebalance", 60_000),
        protocol_type: command.named.get("type").cloned().unwrap_or("consumer".into()).into(),
        protocols: protocols.split(';').filter(|text| !text.is_empty()).map(protocol).collect(),
        ..Default::default()
    }
}

fn subscription(topics: &str) -> Vec<u8> {
    if topics == "garbage" {
        return vec![1];
    }
    let topics: Vec<_> = topics.split(',').filter(|topic| !topic.is_empty()).collect();
    let mut bytes = vec![0, 3];
    bytes.extend((topics.len() as i32).to_be_bytes());
    for topic in topics {
        bytes.extend((topic.len() as i16).to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes
}

fn sync(command: &Command<'_>) -> SyncGroupRequest<'static> {
    let assign = command.text("assign");
    let assignment = |text: &str| {
        let (member_id, assignment) = text.split_once(':').unwrap();
        SyncGroupRequestAssignment {
            member_id: member_id.to_owned().into(),
            assignment: assignment.as_bytes().to_vec().into(),
            ..Default::default()
        }
    };
    SyncGroupRequest {
        group_id: command.group().into(),
        generation_id: command.number("generation", -1),
        member_id: command.text("member").into(),
        group_instance_id: command.option("instance"),
        protocol_type: command.option("type"),
        protocol_name: command.option("protocol"),
        assignments: assign.split(',').filter(|text| !text.is_empty()).map(assignment).collect(),
        ..Default::default()
    }
}

fn leave(command: &Command<'_>) -> LeaveGroupRequest<'static> {
    let members = list(command, "member");
    let mut members: Vec<_> = members
        .into_iter()
        .map(|member_id| MemberIdentity { member_id, group_instance_id: command.option("of"), ..Default::default() })
        .collect();
    members.extend(
        list(command, "instance")
            .into_iter()
            .map(|instance| MemberIdentity { group_instance_id: Some(instance), ..Default::default() }),
    );
    LeaveGroupRequest { group_id: command.group().into(), members, ..Default::default() }
}

fn commit(command: &Command<'_>) -> OffsetCommitRequest<'static> {
    let partition = |(partition, offset): &(i32, i64)| OffsetCommitRequestPartition {
        partition_index: *partition,
        committed_offset: *offset,
        committed_metadata: command.option("metadata"),
        ..Default::default()
    };
    let topics = command.partitions();
    let topics = topics.iter().map(|(name, partitions)| OffsetCommitRequestTopic {
        name: (*name).to_owned().into(),
        topic_id: Uuid::from_u128(command.number("topic_id", 0)),
        partitions: partitions.iter().map(partition).collect(),
        ..Default::default()
    });
    OffsetCommitRequest {
        group_id: command.group().into(),
        generation_id_or_member_epoch: command.number("generation", -1),
        member_id: command.text("member").into(),
        group_instance_id: command.option("instance"),
        retention_time_ms: command.number("retention", -1),
        topics: topics.collect(),
        ..Default::default()
    }
}

fn fetch(command: &Command<'_>) -> OffsetFetchRequestGroup<'static> {
    let topics = command.partitions();
    let topics: Vec<_> = topics
        .iter()
        .map(|(name, partitions)| OffsetFetchRequestTopics {
            name: (*name).to_owned().into(),
            topic_id: Uuid::from_u128(command.number("topic_id", 0)),
            partition_indexes: partitions.iter().map(|(partition, _)| *partition).collect(),
            ..Default::default()
        })
        .collect();
    let topics = Some(topics).filter(|topics| !topics.is_empty());
    OffsetFetchRequestGroup { group_id: command.group().into(), topics, ..Default::default() }
}

fn delete_offsets(command: &Command<'_>) -> OffsetDeleteRequest<'static> {
    let topics = command.partitions();
    let topics = topics.iter().map(|(name, partitions)| OffsetDeleteRequestTopic {
        name: (*name).to_owned().into(),
        partitions: partitions
            .iter()
            .map(|(partition, _)| OffsetDeleteRequestPartition { partition_index: *partition })
            .collect(),
    });
    OffsetDeleteRequest { group_id: command.group().into(), topics: topics.collect() }
}

fn list(command: &Command<'_>, name: &str) -> Vec<std::borrow::Cow<'static, str>> {
    command.text(name).split(',').filter(|text| !text.is_empty()).map(|text| text.to_owned().into()).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn state(group: &ClassicGroup) -> String {
    let members: Vec<_> = group.members().map(|member| member.id.to_string()).collect();
    let generation = match group.to_record() {
        Record::GroupMetadata { value: Some(value), .. } => value.generation,
        other => panic!("{other:?}"),
    };
    format!("{} {} generation={generation} members=[{}]", group.id(), group.phase().name(), members.join(" "))
}

fn shown_record(record: &Record) -> String {
    match record {
        Record::GroupMetadata { key, value: None } => format!("{} is gone", key.group),
        Record::OffsetCommit { key, value: None } => format!("{} {}-{} is gone", key.group, key.topic, key.partition),
        Record::OffsetCommit { key, value: Some(value) } => {
            let expires = if value.expire_timestamp >= 0 { " expires" } else { "" };
            format!("{} {}-{} at {}{expires}", key.group, key.topic, key.partition, value.offset)
        }
        Record::GroupMetadata { key, value: Some(value) } => {
            let members: Vec<_> = value
                .members
                .iter()
                .map(|member| format!("{}:{}", member.member_id, text(&member.assignment)))
                .collect();
            let (protocol, leader) = (value.protocol.as_deref(), value.leader.as_deref());
            format!(
                "{} generation={} type={:?} protocol={protocol:?} leader={leader:?} members=[{}]",
                key.group,
                value.generation,
                value.protocol_type,
                members.join(" ")
            )
        }
        Record::LegacyOffsetCommit { .. } | crate::record::unserved!() => panic!("nobody writes these: {record:?}"),
    }
}

fn shown(response: &Response) -> String {
    match response {
        Response::JoinGroup(join) => shown_join(join),
        Response::SyncGroup(sync) => {
            let (kind, protocol) = (sync.protocol_type.as_deref(), sync.protocol_name.as_deref());
            let assignment = text(&sync.assignment);
            format!("sync {} type={kind:?} protocol={protocol:?} assignment={assignment:?}", sync.error_code.name())
        }
        Response::Heartbeat(heartbeat) => format!("heartbeat {}", heartbeat.error_code.name()),
        Response::LeaveGroup(leave) => {
            let members = leave.members.iter().map(|member| {
                format!(" {}/{:?}={}", member.member_id, member.group_instance_id.as_deref(), member.error_code.name())
            });
            format!("leave {}{}", leave.error_code.name(), members.collect::<String>())
        }
        Response::OffsetCommit(commit) => {
            let topics = commit.topics.iter().flat_map(|topic| {
                topic
                    .partitions
                    .iter()
                    .map(|found| format!(" {}-{}={}", topic.name, found.partition_index, found.error_code.name()))
            });
            format!("commit{}", topics.collect::<String>())
        }
        Response::OffsetFetch(fetch) => {
            let topics = fetch.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|found| {
                    let (index, code) = (found.partition_index, found.error_code.name());
                    format!(" {}-{index}={}:{:?}:{code}", topic.name, found.committed_offset, found.metadata.as_deref())
                })
            });
            format!("fetch {}{}", fetch.error_code.name(), topics.collect::<String>())
        }
        Response::OffsetDelete(delete) => {
            let topics = delete.topics.iter().flat_map(|topic| {
                topic
                    .partitions
                    .iter()
                    .map(|found| format!(" {}-{}={}", topic.name, found.partition_index, found.error_code.name()))
            });
            format!("delete-offsets {}{}", delete.error_code.name(), topics.collect::<String>())
        }
        Response::ListGroups(groups) => {
            let groups = groups.iter().map(|group| {
                format!(" {}:{}:{}:{}", group.group_id, group.protocol_type, group.group_state, group.group_type)
            });
            format!("list{}", groups.collect::<String>())
        }
        Response::DescribeGroups(groups) => groups.iter().map(shown_group).collect::<Vec<_>>().join("\n   "),
        Response::DeleteGroups(groups) => {
            let groups = groups.iter().map(|group| format!(" {}={}", group.group_id, group.error_code.name()));
            format!("delete{}", groups.collect::<String>())
        }
    }
}

fn shown_join(join: &JoinGroupResponse<'_>) -> String {
    let members: Vec<_> = join.members.iter().map(|member| member.member_id.to_string()).collect();
    let skip = if join.skip_assignment { " skip_assignment" } else { "" };
    format!(
        "join {} generation={} protocol={:?} leader={} member={} members=[{}]{skip}",
        join.error_code.name(),
        join.generation_id,
        join.protocol_name.as_deref(),
        join.leader,
        join.member_id,
        members.join(" ")
    )
}

fn shown_group(group: &DescribedGroup<'_>) -> String {
    let members: Vec<_> = group
        .members
        .iter()
        .map(|member| {
            let instance = member.group_instance_id.as_deref();
            let (metadata, assignment) = (member.member_metadata.len(), text(&member.member_assignment));
            format!(
                "{}/{instance:?} {}@{} {metadata} bytes {assignment}",
                member.member_id, member.client_id, member.client_host
            )
        })
        .collect();
    format!(
        "describe {} {} {} type={} protocol={} [{}] {:?}",
        group.group_id,
        group.error_code.name(),
        group.group_state,
        group.protocol_type,
        group.protocol_data,
        members.join(", "),
        group.error_message.as_deref()
    )
}

fn run_script(script: &str) -> String {
    let mut context = GroupContext::new(GroupConfig::default());
    let mut after = String::new();
    for block in script.trim_end().split("\n\n") {
        let commands = block.split("\n---").next().unwrap();
        let mut trace = String::new();
        for line in commands.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            context.run(line, &mut trace);
        }
        writeln!(after, "{}\n---\n{trace}", commands.trim_end()).unwrap();
    }
    after
}

#[test]
fn every_script_gives_its_expected_trace() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testscripts");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let expected = std::fs::read_to_string(&path).unwrap();
        let after = run_script(&expected);
        if std::env::var_os("UPDATE_TESTSCRIPTS").is_some() {
            std::fs::write(&path, after.trim_end().to_owned() + "\n").unwrap();
        } else {
            assert_eq!(after.trim_end(), expected.trim_end(), "{}", path.display());
        }
    }
}
