//! Asking the active controller for an id: the configured servers one after the other, and where one of them says that the active one is,
//! until there is an answer or the time is over. Asks only who says that it gives ids: Apache Kafka's controller would register a broker -1.

use std::time::Duration;

use barnabas_client::{ClientError, Connection, Settings, address};
use barnabas_protocol::messages::{BrokerRegistrationRequest, BrokerRegistrationResponse, DescribeClusterRequest};
use barnabas_protocol::{ApiKey, ErrorCode, VersionRange, own_tags};
use barnabas_types::BrokerId;

use crate::config::{BrokerConfig, QuorumVoter};
use crate::metadata::RegistrationFailed;
use crate::runtime::Runtime;

/// How long it may take in all: Kafka's `initial.broker.registration.timeout.ms`.
const LIMIT: Duration = Duration::from_secs(60);
/// How long one server may take; the active one waits for the quorum before it answers.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long until the next round.
const RETRY: Duration = Duration::from_millis(200);
/// How often it is told that there is no id yet.
const PROGRESS: Duration = Duration::from_secs(5);
/// An answer is short, and names a few controllers at most.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;
/// What DescribeCluster is to tell of (KIP-919): controllers. Since version 1.
const CONTROLLERS: i8 = 2;

/// Why a broker has no id.
#[derive(Debug, thiserror::Error)]
pub enum NotGiven {
    /// Nobody gives any.
    #[error(
        "this broker has no node.id, and {address} gives none: it is Apache Kafka's, an older release, or no listener of a controller. Set \
         node.id, or correct controller.quorum.bootstrap.servers"
    )]
    NobodyGives {
        /// One of those who do not.
        address: String,
    },
    /// The controller refuses.
    #[error(transparent)]
    Refused(#[from] RegistrationFailed),
    /// What it gives is none.
    #[error(
        "the controller at {address} gave {given} as the id of this broker: run the same release on all nodes, or set node.id"
    )]
    Senseless {
        /// Who answered.
        address: String,
        /// What was in the answer.
        given: String,
    },
    /// There was no answer for too long.
    #[error(
        "this broker has no node.id, and no active controller gave it one within {} s; at last: {last}. Check the controllers and \
         controller.quorum.bootstrap.servers, or set node.id",
        LIMIT.as_secs()
    )]
    TimedOut {
        /// What came of the last attempt.
        last: String,
    },
}

/// What one server says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// The id.
    Given(BrokerId),
    /// It is not active; the active one is here, as far as it knows.
    NotActive(Option<String>),
    /// It gives no ids.
    GivesNone,
    /// Nothing for now, and why.
    Nothing(String),
}

/// What is done next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Ask the server at this address.
    Ask(String),
    /// All were asked: wait a little.
    Rest,
}

/// Whom to ask, in rounds over the configured servers.
#[derive(Debug)]
struct Search {
    servers: Vec<String>,
    /// The place of the next server of this round.
    next: usize,
    /// Where the last one said that the active controller is. Nobody is sent on from there: two that name each other would be asked for ever.
    follow: Option<String>,
    /// True while somebody is asked whom another has named.
    follows: bool,
    /// How many were asked in this round, and who of them gives none.
    asked: usize,
    give_none: Vec<String>,
    /// What came of the last attempt.
    last: String,
}

impl Search {
    fn new(servers: Vec<String>) -> Self {
        let last = "there is no server to ask".to_owned();
        Self { servers, next: 0, follow: None, follows: false, asked: 0, give_none: Vec::new(), last }
    }

    fn step(&mut self) -> Result<Step, NotGiven> {
        let named = self.follow.take();
        self.follows = named.is_some();
        let address = named.or_else(|| {
            let server = self.servers.get(self.next).cloned();
            self.next += 1;
            server
        });
        if let Some(address) = address {
            self.asked += 1;
            return Ok(Step::Ask(address));
        }
        let asked = std::mem::take(&mut self.asked);
        let mut give_none = std::mem::take(&mut self.give_none);
        self.next = 0;
        match give_none.pop() {
            // As long as another does not answer, that one may be active.
            Some(address) if give_none.len() + 1 == asked => Err(NotGiven::NobodyGives { address }),
            _ => Ok(Step::Rest),
        }
    }

    fn said(&mut self, address: &str, said: Said) -> Option<BrokerId> {
        match said {
            Said::Given(id) => return Some(id),
            Said::NotActive(Some(active)) if !self.follows && active != address => {
                self.last = format!("{address} says that {active} is the active controller");
                self.follow = Some(active);
            }
            Said::NotActive(_) => self.last = format!("{address} is not the active controller, and knows no other"),
            Said::GivesNone => {
                self.last = format!("{address} gives no ids");
                self.give_none.push(address.to_owned());
            }
            Said::Nothing(reason) => self.last = reason,
        }
        None
    }
}

/// The id that the active controller gives to who sends `request`.
///
/// # Errors
/// See [`NotGiven`].
pub async fn active_controller(
    config: &BrokerConfig,
    request: &BrokerRegistrationRequest<'_>,
    runtime: &Runtime,
) -> Result<BrokerId, NotGiven> {
    let servers = servers(config);
    tracing::info!(
        "this broker has no node.id and asks the active controller for one, by way of {}",
        servers.join(", ")
    );
    let mut search = Search::new(servers);
    let asked = ask_in_turn(&mut search, config, request, runtime);
    let answered = tokio::time::timeout_at(runtime.deadline(LIMIT), asked).await;
    answered.unwrap_or(Err(NotGiven::TimedOut { last: search.last }))
}

async fn ask_in_turn(
    search: &mut Search,
    config: &BrokerConfig,
    request: &BrokerRegistrationRequest<'_>,
    runtime: &Runtime,
) -> Result<BrokerId, NotGiven> {
    let mut told = runtime.now().monotonic;
    loop {
        match search.step()? {
            Step::Ask(address) => {
                let said = ask(&address, request, &config.quorum_voters).await?;
                if let Some(id) = search.said(&address, said) {
                    return Ok(id);
                }
            }
            Step::Rest => tokio::time::sleep(RETRY).await,
        }
        let now = runtime.now().monotonic;
        if now.saturating_sub(told) >= PROGRESS {
            tracing::info!("this broker has no node.id yet, and asks on: {}", search.last);
            told = now;
        }
    }
}

/// The servers that know the quorum, or its voters.
fn servers(config: &BrokerConfig) -> Vec<String> {
    let servers = config.quorum_bootstrap_servers.iter().map(|(host, port)| address(host, port));
    let voters = config.quorum_voters.iter().map(|voter| address(&voter.host, voter.port));
    servers.chain(voters).collect()
}

async fn ask(address: &str, request: &BrokerRegistrationRequest<'_>, voters: &[QuorumVoter]) -> Result<Said, NotGiven> {
    match tokio::time::timeout(ATTEMPT, exchange(address, request)).await {
        Ok(Ok(Answered::Registration(response))) => judge(address, &response, voters),
        Ok(Ok(Answered::NotActive(active))) => Ok(Said::NotActive(active)),
        Ok(Ok(Answered::GivesNone)) => Ok(Said::GivesNone),
        Ok(Err(error)) => Ok(Said::Nothing(error.to_string())),
        Err(_) => Ok(Said::Nothing(format!("{address} gave no answer within {} s", ATTEMPT.as_secs()))),
    }
}

/// What came over the wire.
enum Answered {
    Registration(BrokerRegistrationResponse<'static>),
    NotActive(Option<String>),
    GivesNone,
}

async fn exchange(address: &str, request: &BrokerRegistrationRequest<'_>) -> Result<Answered, ClientError> {
    let settings = Settings { max_response_bytes: MAX_RESPONSE_BYTES, ..Settings::new(Vec::new(), "node-without-id") };
    let mut connection = Connection::open(address, &settings).await?;
    if !own_tags::are_broker_ids_given(connection.tags()) {
        return Ok(Answered::GivesNone);
    }
    let response = connection.call(request, ApiKey::BrokerRegistration.answered_versions()).await?;
    match response.error_code {
        ErrorCode::NOT_CONTROLLER => Ok(Answered::NotActive(active(&mut connection).await?)),
        _ => Ok(Answered::Registration(response)),
    }
}

/// Where the active controller is, as the node behind `connection` knows it.
async fn active(connection: &mut Connection) -> Result<Option<String>, ClientError> {
    let versions = ApiKey::DescribeCluster.answered_versions().intersect(VersionRange::new(1, i16::MAX));
    let request = DescribeClusterRequest { endpoint_type: CONTROLLERS, ..DescribeClusterRequest::default() };
    let cluster = connection.call(&request, versions).await?;
    let row = cluster.brokers.iter().find(|row| row.broker_id == cluster.controller_id);
    Ok(row.and_then(|row| Some(address(&row.host, u16::try_from(row.port).ok()?))))
}

/// Whether an answer gives an id that a broker may have.
fn judge(address: &str, response: &BrokerRegistrationResponse<'_>, voters: &[QuorumVoter]) -> Result<Said, NotGiven> {
    match response.error_code {
        ErrorCode::NONE => {}
        ErrorCode::DUPLICATE_BROKER_REGISTRATION => {
            let reason = "another process with these log directories is alive, or was until a moment ago";
            return Ok(Said::Nothing(reason.to_owned()));
        }
        // It has no room, or no majority: as long as that is so.
        code @ (ErrorCode::REQUEST_TIMED_OUT | ErrorCode::KAFKA_STORAGE_ERROR) => {
            return Ok(Said::Nothing(format!("the active controller at {address} answers {code}")));
        }
        code => return Err(RegistrationFailed::Refused { code }.into()),
    }
    let senseless = |given| NotGiven::Senseless { address: address.to_owned(), given };
    match own_tags::read_given_broker_id(&response.unknown_tags) {
        None => Err(senseless("nothing".to_owned())),
        Some(id) if id < 0 => Err(senseless(id.to_string())),
        Some(id) if voters.iter().any(|voter| voter.id == id) => Err(senseless(format!("{id}, which is a voter's,"))),
        Some(id) => Ok(Said::Given(BrokerId(id))),
    }
}

#[cfg(test)]
mod tests {
    use barnabas_protocol::UnknownTags;

    use super::*;
    use crate::testing::{Broker, booted_without_id};

    fn answer(error_code: ErrorCode, unknown_tags: UnknownTags<'static>) -> BrokerRegistrationResponse<'static> {
        BrokerRegistrationResponse { error_code, unknown_tags, ..BrokerRegistrationResponse::default() }
    }

    fn judged(response: &BrokerRegistrationResponse<'_>) -> Result<Said, String> {
        let voters = [QuorumVoter { id: 3, host: "a".into(), port: 9093 }];
        judge("a:9093", response, &voters).map_err(|error| error.to_string())
    }

    #[test]
    fn an_answer_gives_an_id_only_where_it_is_one() {
        let given = |id| judged(&answer(ErrorCode::NONE, own_tags::given_broker_id(id)));
        assert_eq!(given(1001), Ok(Said::Given(BrokerId(1001))));
        assert_eq!(given(0), Ok(Said::Given(BrokerId(0))), "whose directories it has was broker 0");
        for (response, expected) in [
            (answer(ErrorCode::NONE, UnknownTags::default()), "gave nothing as the id"),
            (answer(ErrorCode::NONE, own_tags::given_broker_id(-1)), "gave -1 as the id"),
            (answer(ErrorCode::NONE, own_tags::given_broker_id(3)), "gave 3, which is a voter's, as the id"),
            (answer(ErrorCode::INCONSISTENT_CLUSTER_ID, UnknownTags::default()), "it is of another cluster"),
            (answer(ErrorCode::INVALID_REGISTRATION, own_tags::given_broker_id(1001)), "see the log of the active"),
        ] {
            let error = judged(&response).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        for code in [ErrorCode::DUPLICATE_BROKER_REGISTRATION, ErrorCode::REQUEST_TIMED_OUT] {
            let said = judged(&answer(code, own_tags::given_broker_id(1001)));
            assert!(matches!(said, Ok(Said::Nothing(_))), "{said:?}");
        }
    }

    fn ask(address: &str) -> Step {
        Step::Ask(address.to_owned())
    }

    #[test]
    fn every_server_is_asked_in_turn_and_the_controller_that_one_of_them_names() {
        let mut search = Search::new(vec!["a:1".into(), "b:1".into()]);
        for _ in 0..3 {
            assert_eq!(search.step().unwrap(), ask("a:1"));
            assert_eq!(search.said("a:1", Said::NotActive(Some("c:1".into()))), None);
            assert_eq!(search.step().unwrap(), ask("c:1"));
            // It names another in its turn, which is not followed: two could name each other.
            assert_eq!(search.said("c:1", Said::NotActive(Some("a:1".into()))), None);
            assert_eq!(search.step().unwrap(), ask("b:1"));
            assert_eq!(search.said("b:1", Said::Nothing("b:1 is not there".into())), None);
            assert_eq!(search.step().unwrap(), Step::Rest);
            assert_eq!(search.last, "b:1 is not there");
        }
        assert_eq!(search.step().unwrap(), ask("a:1"));
        assert_eq!(search.said("a:1", Said::Given(BrokerId(1001))), Some(BrokerId(1001)));
    }

    #[test]
    fn it_is_given_up_once_nobody_who_was_asked_gives_any() {
        let mut search = Search::new(vec!["a:1".into(), "b:1".into()]);
        for last in [Said::Nothing("not there".into()), Said::GivesNone] {
            let gives_none = last == Said::GivesNone;
            for (address, said) in [("a:1", Said::GivesNone), ("b:1", last)] {
                assert_eq!(search.step().unwrap(), ask(address));
                search.said(address, said);
            }
            let error = search.step().map_err(|error| error.to_string());
            match gives_none {
                false => assert_eq!(error, Ok(Step::Rest)),
                true => assert!(error.unwrap_err().contains("b:1 gives none: it is Apache Kafka's")),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_no_controller_answers_it_is_told_what_came_of_it_in_the_end() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = tempfile::tempdir().unwrap();
        let properties = format!(
            "process.roles=broker\ncontroller.listener.names=CONTROLLER\ncontroller.quorum.bootstrap.servers=127.0.0.1:{port}\n"
        );
        let config = booted_without_id(directory.path(), &properties).config;
        let request = BrokerRegistrationRequest::default();
        let error = active_controller(&config, &request, &Runtime::current()).await.unwrap_err().to_string();
        assert!(error.contains(&format!("within 60 s; at last: cannot connect to 127.0.0.1:{port}")), "{error}");
    }

    #[tokio::test]
    async fn who_does_not_say_that_it_gives_ids_is_sent_no_registration() {
        // A broker's listener, which would close the connection if it were asked; Apache Kafka's controller would register a broker -1.
        let broker = Broker::start().await;
        let request = BrokerRegistrationRequest { broker_id: BrokerId::NONE.0, ..BrokerRegistrationRequest::default() };
        let said = super::ask(&broker.address(), &request, &[]).await.unwrap();
        assert_eq!(said, Said::GivesNone);
        broker.running.stop().await.unwrap();
    }
}
