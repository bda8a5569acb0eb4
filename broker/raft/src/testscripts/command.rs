//! The commands of the scripts: a name and arguments, turned into replicas and inputs. Panics on what it does not know.

use std::collections::BTreeMap;

use barnabas_types::{BrokerId, LeaderEpoch, Offset, Uuid};

use crate::{
    AddVoterRequest, BatchSummary, BeginQuorumEpochRequest, Config, ControlHistory, ControlRecord, ElectionState,
    EndQuorumEpochRequest, Endpoint, EpochResponse, ErrorCode, FetchContent, FetchRequest, FetchResponse,
    FetchSnapshotRequest, FetchSnapshotResponse, Input, KRaftVersionRange, LeaderHint, LogView, Node, Recovered,
    RemoveVoterRequest, ReplicaKey, Request, RequestFailure, RequestId, Response, SnapshotContent, SnapshotId,
    UpdateVoterRequest, VoteRequest, VoteResponse, Voter, VoterResponse, VoterSet,
};

/// One line of a script.
pub(super) struct Command<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: BTreeMap<&'a str, &'a str>,
}

fn endpoint(id: i32) -> Endpoint {
    Endpoint { name: "CONTROLLER".into(), host: "localhost".into(), port: port(id) }
}

fn port(id: i32) -> u16 {
    9000 + u16::try_from(id).unwrap_or(0)
}

/// `3` lies in directory 3, `3:7` in directory 7, `3:0` in one that is not known.
fn key(text: &str) -> ReplicaKey {
    let (id, directory) = text.split_once(':').unwrap_or((text, text));
    let directory: i128 = directory.parse().unwrap();
    ReplicaKey {
        id: BrokerId(id.parse().unwrap()),
        directory_id: Uuid::from_u128(u128::try_from(directory).unwrap_or(0)),
    }
}

/// `1,2,3:7`: members of the quorum.
fn voter_set(text: &str) -> VoterSet {
    let voter = |text: &str| {
        let key = key(text);
        Voter { key, endpoints: vec![endpoint(key.id.0)], kraft_version: KRaftVersionRange { min: 0, max: 1 } }
    };
    VoterSet(text.split(',').filter(|text| !text.is_empty() && *text != "none").map(voter).collect())
}

/// `epoch@offset`.
fn position(text: &str) -> (LeaderEpoch, Offset) {
    let (epoch, offset) = text.split_once('@').expect(text);
    (LeaderEpoch(epoch.parse().unwrap()), Offset(offset.parse().unwrap()))
}

fn snapshot_id(text: &str) -> SnapshotId {
    let (epoch, end_offset) = position(text);
    SnapshotId { end_offset, epoch }
}

fn error(text: &str) -> ErrorCode {
    let known = [
        ErrorCode::NotLeaderOrFollower,
        ErrorCode::RequestTimedOut,
        ErrorCode::BrokerNotAvailable,
        ErrorCode::UnsupportedVersion,
        ErrorCode::FencedLeaderEpoch,
        ErrorCode::UnknownLeaderEpoch,
        ErrorCode::SnapshotNotFound,
        ErrorCode::InconsistentClusterId,
        ErrorCode::InvalidVoterKey,
        ErrorCode::InvalidRequest,
    ];
    *known.iter().find(|code| format!("{code:?}") == text).unwrap_or_else(|| panic!("no error {text}"))
}

/// `1@0..5,2@5..7(voters=1;2)`: batches by epoch and offsets, the last record of a batch being a control record.
fn batch(text: &str) -> BatchSummary {
    let (bounds, control) = text.split_once('(').unwrap_or((text, ""));
    let (epoch, offsets) = bounds.split_once('@').expect(text);
    let (base, next) = offsets.split_once("..").expect(text);
    let (base_offset, next_offset) = (Offset(base.parse().unwrap()), Offset(next.parse().unwrap()));
    let record = match control.trim_end_matches(')').split_once('=') {
        Some(("voters", ids)) => Some(ControlRecord::Voters(voter_set(&ids.replace(';', ",")))),
        Some(("version", version)) => Some(ControlRecord::KRaftVersion { version: version.parse().unwrap() }),
        _ => None,
    };
    let control = record.map(|record| (next_offset.plus(-1), record)).into_iter().collect();
    BatchSummary { base_offset, next_offset, epoch: LeaderEpoch(epoch.parse().unwrap()), control }
}

impl<'a> Command<'a> {
    pub(super) fn parse(line: &'a str) -> Self {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        Self { name, arguments: words.map(|word| word.split_once('=').expect(word)).collect() }
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.arguments.get(name).copied()
    }

    fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> T {
        self.text(name).map_or(default, |text| text.parse().ok().expect(text))
    }

    fn epoch(&self) -> LeaderEpoch {
        LeaderEpoch(self.number("epoch", 1))
    }

    fn cluster_id(&self) -> Option<Box<str>> {
        Some(self.text("cluster").unwrap_or("cluster").into())
    }

    fn endpoints(&self, id: BrokerId) -> Vec<Endpoint> {
        let listener = self.text("listener").unwrap_or("CONTROLLER");
        vec![Endpoint { name: listener.into(), port: self.number("port", port(id.0)), ..endpoint(id.0) }]
    }

    fn levels(&self) -> KRaftVersionRange {
        let (min, max) = self.text("levels").unwrap_or("0..1").split_once("..").unwrap();
        KRaftVersionRange { min: min.parse().unwrap(), max: max.parse().unwrap() }
    }

    /// `replica id=1 voters=1,2,3 log_end=10 epochs=1@0,2@5 leader=2@3 voted=1@3 ...`
    pub(super) fn node(&self) -> Result<Node, String> {
        let own = key(self.text("id").unwrap_or("1"));
        let kraft_version = self.number("kraft_version", 1);
        let mut config = Config::new(own, "cluster", self.endpoints(own.id), self.number("seed", 1));
        config.is_controller = self.number("controller", true);
        config.fetch_timeout_spread_ms = self.number("fetch_timeout_spread_ms", 0);
        config.quorum_is_formed = self.number("formed", false);
        config.auto_join = self.number("auto_join", false);
        config.kraft_versions = self.levels();
        let servers = self.text("bootstrap").unwrap_or("").split(',').filter(|text| !text.is_empty());
        config.bootstrap_servers = servers.map(|id| ("localhost".into(), port(id.parse().unwrap()))).collect();
        config.configured_voters = self.text("configured").map(voter_set).unwrap_or_default();
        let voted = self.text("voted").map(|text| {
            let (candidate, epoch) = text.split_once('@').unwrap();
            ElectionState::voted(LeaderEpoch(epoch.parse().unwrap()), key(candidate))
        });
        let led = self.text("leader").map(|text| {
            let (leader, epoch) = text.split_once('@').unwrap();
            ElectionState::led(LeaderEpoch(epoch.parse().unwrap()), BrokerId(leader.parse().unwrap()))
        });
        let snapshots = self.text("snapshots").unwrap_or("").split(',').filter(|text| !text.is_empty());
        let epochs = self.text("epochs").unwrap_or("").split(',').filter(|text| !text.is_empty());
        let epochs: Vec<_> = epochs.map(position).collect();
        // A replica with records has an election behind it, unless it has forgotten that.
        let has_seen = |(epoch, _): &(LeaderEpoch, Offset)| ElectionState::seen(*epoch);
        let seen = epochs.last().map(has_seen).filter(|_| self.number("election_state", true));
        let log = LogView::new(
            Offset(self.number("log_start", 0)),
            Offset(self.number("log_end", 0)),
            snapshots.map(snapshot_id).collect(),
            epochs,
        )
        .map_err(|error| error.to_string())?;
        let voters = self.text("voters").map(voter_set);
        let mut control = ControlHistory::from_snapshot(SnapshotId::default(), kraft_version, None);
        if kraft_version > 0 {
            let voters = voters.unwrap_or_else(|| voter_set("1"));
            control = ControlHistory::from_snapshot(SnapshotId::default(), kraft_version, Some(voters));
        }
        if let Some(text) = self.text("voters_in_log") {
            let (ids, offset) = text.split_once('@').unwrap();
            control.record(Offset(offset.parse().unwrap()), &ControlRecord::Voters(voter_set(ids)));
        }
        Node::new(config, Recovered { election: led.or(voted).or(seen), log, control })
            .map_err(|error| error.to_string())
    }

    pub(super) fn input(&self, sent: &BTreeMap<u16, RequestId>) -> Input {
        let token = self.number("token", 0);
        let from = || key(self.text("from").unwrap_or("2"));
        match self.name {
            "start" => Input::Start,
            "tick" => Input::Tick,
            "silent" => Input::LeaderSilent { leader: from().id, epoch: self.epoch() },
            "append" => Input::Append { token, epoch: self.epoch(), records: self.number("records", 1) },
            "synced" => Input::Synced { end: Offset(self.number("end", 0)) },
            "disk_failed" => Input::DiskFailed,
            "snapshot_written" => Input::SnapshotWritten(snapshot_id(self.text("id").unwrap())),
            "installed" => Input::SnapshotInstalled {
                id: snapshot_id(self.text("id").unwrap()),
                kraft_version: self.number("kraft_version", 1),
                voters: self.text("voters").map(voter_set),
            },
            "damaged" => Input::SnapshotDamaged(snapshot_id(self.text("id").unwrap())),
            "upgrade" => Input::UpgradeKRaftVersion {
                token,
                version: self.number("version", 1),
                validate_only: self.number("validate_only", false),
            },
            "resign" => Input::Resign { epoch: self.epoch() },
            "stop" => Input::Stop,
            "answer" => Input::Response { id: self.sent_to(sent), response: self.response() },
            "fail" => {
                let failure = match (self.number("unsupported", false), self.number("refused", false)) {
                    (true, _) => RequestFailure::UnsupportedVersion,
                    (false, true) => RequestFailure::Refused,
                    (false, false) => RequestFailure::Unreachable,
                };
                Input::RequestFailed { id: self.sent_to(sent), failure }
            }
            _ => Input::Request { token, request: self.request() },
        }
    }

    fn sent_to(&self, sent: &BTreeMap<u16, RequestId>) -> RequestId {
        *sent.get(&port(self.number("from", 0))).unwrap_or(&RequestId(u64::MAX))
    }

    fn request(&self) -> Request {
        let cluster_id = self.cluster_id();
        let from = || key(self.text("from").unwrap_or("2"));
        let voter = || key(self.text("voter").unwrap());
        match self.name {
            "vote" | "pre_vote" => {
                let (last_epoch, last_offset) = position(self.text("last").unwrap_or("0@0"));
                let (candidate, epoch) = (from(), self.epoch());
                let (voter, pre_vote) = (self.text("voter").map(key), self.name == "pre_vote");
                Request::Vote(VoteRequest { cluster_id, voter, candidate, epoch, last_epoch, last_offset, pre_vote })
            }
            "begin" => {
                let leader = from().id;
                let (voter, endpoints) = (self.text("voter").map(key), self.endpoints(leader));
                Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
                    cluster_id,
                    voter,
                    leader,
                    epoch: self.epoch(),
                    endpoints,
                })
            }
            "end" => {
                let leader = from().id;
                let preferred = self.text("preferred").unwrap_or("").split(',').filter(|text| !text.is_empty());
                let (preferred, endpoints) = (preferred.map(key).collect(), self.endpoints(leader));
                Request::EndQuorumEpoch(EndQuorumEpochRequest {
                    cluster_id,
                    leader,
                    epoch: self.epoch(),
                    preferred,
                    endpoints,
                })
            }
            "fetch" => Request::Fetch(FetchRequest {
                cluster_id,
                replica: from(),
                epoch: self.epoch(),
                offset: Offset(self.number("offset", 0)),
                last_fetched_epoch: LeaderEpoch(self.number("last_epoch", 0)),
                max_wait_ms: self.number("wait", 500),
                max_bytes: 1000,
                high_watermark: self.text("hw").map(|text| Offset(text.parse().unwrap())),
            }),
            "fetch_snapshot" => Request::FetchSnapshot(FetchSnapshotRequest {
                cluster_id,
                replica: from(),
                epoch: self.epoch(),
                snapshot: snapshot_id(self.text("id").unwrap_or("1@5")),
                position: self.number("position", 0),
                max_bytes: 1000,
            }),
            "add_voter" => Request::AddVoter(AddVoterRequest {
                cluster_id,
                voter: voter(),
                endpoints: self.endpoints(voter().id),
                timeout_ms: 1000,
                ack_when_committed: self.number("ack_when_committed", true),
            }),
            "remove_voter" => Request::RemoveVoter(RemoveVoterRequest { cluster_id, voter: voter() }),
            "update_voter" => Request::UpdateVoter(UpdateVoterRequest {
                cluster_id,
                epoch: self.epoch(),
                voter: voter(),
                endpoints: self.endpoints(voter().id),
                kraft_versions: self.levels(),
            }),
            other => panic!("no command {other}"),
        }
    }

    fn response(&self) -> Response {
        let error = self.text("error").map(error).unwrap_or_default();
        let leader_id = self.text("leader").filter(|text| *text != "none").map(|text| BrokerId(text.parse().unwrap()));
        let endpoints = leader_id.filter(|_| self.text("endpoints") != Some("none")).map(|id| endpoint(id.0));
        let leader = LeaderHint { epoch: self.epoch(), leader: leader_id, endpoints: endpoints.into_iter().collect() };
        match self.text("to").unwrap() {
            "vote" => Response::Vote(VoteResponse { error, leader, granted: self.number("granted", false) }),
            "begin" => Response::BeginQuorumEpoch(EpochResponse { error, leader }),
            "end" => Response::EndQuorumEpoch(EpochResponse { error, leader }),
            "update_voter" => Response::UpdateVoter(EpochResponse { error, leader }),
            "add_voter" => Response::AddVoter(VoterResponse { error, message: None }),
            "remove_voter" => Response::RemoveVoter(VoterResponse { error, message: None }),
            "api_versions" => Response::ApiVersions((self.text("levels") != Some("none")).then(|| self.levels())),
            "fetch" => Response::Fetch(FetchResponse {
                error,
                leader,
                high_watermark: self.text("hw").map(|text| Offset(text.parse().unwrap())),
                log_start: Offset(0),
                content: self.content(),
            }),
            "fetch_snapshot" => Response::FetchSnapshot(FetchSnapshotResponse {
                error,
                leader,
                snapshot: snapshot_id(self.text("id").unwrap_or("0@0")),
                content: match self.text("size") {
                    None => SnapshotContent::Nothing,
                    Some(size) => SnapshotContent::Piece {
                        token: self.number("token", 0),
                        size: size.parse().unwrap(),
                        position: self.number("position", 0),
                        length: self.number("length", 0),
                    },
                },
            }),
            other => panic!("no answer {other}"),
        }
    }

    fn content(&self) -> FetchContent {
        if let Some(text) = self.text("diverging") {
            let (epoch, end_offset) = position(text);
            FetchContent::Diverging { epoch, end_offset }
        } else if let Some(text) = self.text("snapshot") {
            FetchContent::Snapshot(snapshot_id(text))
        } else if let Some(text) = self.text("batches") {
            let batches = text.split(',').filter(|text| *text != "none").map(batch).collect();
            FetchContent::Batches { token: self.number("token", 0), batches }
        } else {
            FetchContent::Nothing
        }
    }
}
