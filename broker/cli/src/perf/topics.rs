//! `perf topics`: makes many topics, or deletes them, and says how long the cluster took until every partition was led, or gone. For scale;
//! kafka-topics is the tool for one topic at a time.

use std::io::Write as _;
use std::time::{Duration, Instant};

use barnabas_protocol::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use barnabas_protocol::messages::delete_topics::DeleteTopicState;
use barnabas_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest};
use barnabas_protocol::{ApiKey, ErrorCode};
use clap::Args;
use serde::Serialize;

use super::arguments::ClusterArguments;
use super::cluster::metadata;
use super::connection::Connection;
use super::error::PerfError;
use super::measure::Measure;
use super::report::{OutputArguments, Report};

/// Topics that one request makes or deletes.
const TOPICS_A_REQUEST: usize = 100;
/// Partitions that one request makes.
const PARTITIONS_A_REQUEST: usize = 10_000;
/// How long the cluster may take for one request, and for all partitions to be led afterwards.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The pause between two looks at the cluster.
const PAUSE: Duration = Duration::from_millis(20);

/// What `perf topics` takes.
#[derive(Args, Debug, Serialize)]
pub struct TopicsArguments {
    /// Make so many topics and wait until all their partitions are led.
    #[arg(long, value_name = "COUNT", required_unless_present = "delete")]
    create: Option<usize>,

    /// Delete the topics, and wait until they are gone; after making them when both are asked for. Without --create as many as --count says.
    #[arg(long)]
    delete: bool,

    /// How many topics to delete.
    #[arg(long, value_name = "COUNT", default_value_t = 1, conflicts_with = "create")]
    count: usize,

    /// Partitions of each.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    partitions: i32,

    /// Replicas of each partition.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    replication_factor: i16,

    /// The topic's name; several topics get -0, -1 … behind it.
    #[arg(long, value_name = "NAME", default_value = "perf")]
    topic: String,

    /// A configuration of the topics. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    config: Vec<String>,

    #[command(flatten)]
    #[serde(flatten)]
    cluster: ClusterArguments,

    #[command(flatten)]
    #[serde(skip)]
    output: OutputArguments,
}

#[derive(Serialize)]
struct TopicsReport {
    #[serde(flatten)]
    report: Report,
    create_seconds: Option<f64>,
    delete_seconds: Option<f64>,
    partitions: usize,
}

/// Runs it.
///
/// # Errors
/// When the cluster does not answer, refuses, or takes too long.
pub fn run(arguments: &TopicsArguments) -> Result<bool, PerfError> {
    let names = names(&arguments.topic, arguments.create.unwrap_or(arguments.count));
    let mut connection = arguments.cluster.cluster().connect_any_within(TIMEOUT)?;
    let mut measure = Measure::new(0, 0)?;
    let began = Instant::now();
    let elapsed_ns = || u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut create_seconds = None;
    if arguments.create.is_some() {
        create(arguments, &mut connection, &names)?;
        create_seconds = Some(began.elapsed().as_secs_f64());
    }
    let delete_began = Instant::now();
    let mut delete_seconds = None;
    if arguments.delete {
        delete(arguments, &mut connection, &names)?;
        delete_seconds = Some(delete_began.elapsed().as_secs_f64());
    }
    let outcome = measure.finish(elapsed_ns());
    let report = Report::new("topics", 0.0, &measure, &outcome, arguments);
    let partitions = names.len() * usize::try_from(arguments.partitions).unwrap_or(0);
    let text = format!(
        "{} topics of {} partitions{}{}\n",
        names.len(),
        arguments.partitions,
        create_seconds.map(|seconds| format!(", all led after {seconds:.3} s")).unwrap_or_default(),
        delete_seconds.map(|seconds| format!(", all gone after {seconds:.3} s")).unwrap_or_default()
    );
    arguments.output.write(&TopicsReport { report, create_seconds, delete_seconds, partitions }, &text)?;
    Ok(true)
}

fn names(topic: &str, count: usize) -> Vec<String> {
    if count == 1 { vec![topic.to_owned()] } else { (0..count).map(|number| format!("{topic}-{number}")).collect() }
}

fn configs(arguments: &TopicsArguments) -> Result<Vec<CreatableTopicConfig<'static>>, PerfError> {
    let config = |text: &String| {
        let (name, value) =
            text.split_once('=').ok_or_else(|| PerfError::argument("--config", text, "write KEY=VALUE"))?;
        let (name, value) = (name.to_owned().into(), Some(value.to_owned().into()));
        Ok(CreatableTopicConfig { name, value, ..Default::default() })
    };
    arguments.config.iter().map(config).collect()
}

fn timeout_ms() -> i32 {
    i32::try_from(TIMEOUT.as_millis()).unwrap_or(i32::MAX)
}

fn told(arguments: &TopicsArguments, what: &str, done: usize, all: usize) {
    if !arguments.output.quiet && all > TOPICS_A_REQUEST {
        let _ = writeln!(std::io::stderr(), "{what} {done} of {all}");
    }
}

fn create(arguments: &TopicsArguments, connection: &mut Connection, names: &[String]) -> Result<(), PerfError> {
    let configs = configs(arguments)?;
    let partitions = usize::try_from(arguments.partitions.max(1)).unwrap_or(1);
    let chunk = (PARTITIONS_A_REQUEST / partitions).clamp(1, TOPICS_A_REQUEST);
    for (number, names_now) in names.chunks(chunk).enumerate() {
        let topic = |name: &String| CreatableTopic {
            name: name.clone().into(),
            num_partitions: arguments.partitions,
            replication_factor: arguments.replication_factor,
            configs: configs.clone(),
            ..Default::default()
        };
        let topics = names_now.iter().map(topic).collect();
        let request = CreateTopicsRequest { topics, timeout_ms: timeout_ms(), ..Default::default() };
        for result in connection.call(&request, 2)?.topics {
            let what = format!("topic {}", result.name);
            PerfError::check(ApiKey::CreateTopics, &what, result.error_code, result.error_message.as_deref())?;
        }
        told(arguments, "created", number * chunk + names_now.len(), names.len());
    }
    let led = |connection: &mut Connection, names: &[&str]| {
        let response = metadata(connection, names)?;
        let led = response.topics.iter().all(|topic| {
            topic.error_code.is_none()
                && topic.partitions.len() >= partitions
                && topic.partitions.iter().all(|partition| partition.leader_id >= 0)
        });
        Ok(led)
    };
    wait_until(connection, names, "its partitions are not all led", led)
}

fn delete(arguments: &TopicsArguments, connection: &mut Connection, names: &[String]) -> Result<(), PerfError> {
    for (number, names_now) in names.chunks(TOPICS_A_REQUEST).enumerate() {
        let state = |name: &String| DeleteTopicState { name: Some(name.clone().into()), ..Default::default() };
        // Up to version 5 topics are listed by name alone, from then on as structures.
        let by_state = connection.version::<DeleteTopicsRequest<'_>>(1)? >= 6;
        let request = DeleteTopicsRequest {
            topics: if by_state { names_now.iter().map(state).collect() } else { Vec::new() },
            topic_names: if by_state { Vec::new() } else { names_now.iter().map(|name| name.clone().into()).collect() },
            timeout_ms: timeout_ms(),
            ..Default::default()
        };
        for result in connection.call(&request, 1)?.responses {
            let what = format!("topic {}", result.name.as_deref().unwrap_or("?"));
            PerfError::check(ApiKey::DeleteTopics, &what, result.error_code, result.error_message.as_deref())?;
        }
        told(arguments, "deleted", number * TOPICS_A_REQUEST + names_now.len(), names.len());
    }
    let gone = |connection: &mut Connection, names: &[&str]| {
        let response = metadata(connection, names)?;
        Ok(response.topics.iter().all(|topic| topic.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
    };
    wait_until(connection, names, "it is still there", gone)
}

/// Looks at the topics, some at a time, until `holds` for all of them.
fn wait_until(
    connection: &mut Connection,
    names: &[String],
    problem: &str,
    holds: impl Fn(&mut Connection, &[&str]) -> Result<bool, PerfError>,
) -> Result<(), PerfError> {
    let deadline = Instant::now() + TIMEOUT;
    for names in names.chunks(TOPICS_A_REQUEST) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        while !holds(connection, &names)? {
            if Instant::now() >= deadline {
                let topic = (*names.first().unwrap_or(&"?")).to_owned();
                let problem = format!("{problem}, or those after it, {TIMEOUT:?} later");
                return Err(PerfError::Topic { topic, problem });
            }
            std::thread::sleep(PAUSE);
        }
    }
    Ok(())
}
