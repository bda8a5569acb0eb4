//! `barnabas why`: says in sentences what is wrong with a partition, a broker or the quorum, since when, and what would mend it. Looks as any
//! client does and changes nothing; what follows from what it saw is decided by pure functions, one for each kind of thing.

mod broker;
mod observe;
mod observed;
mod partition;
mod quorum;
mod report;
mod stopping;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use observe::ObserveError;
use report::Report;

/// Explain what is wrong with a partition, a broker or the quorum, and what would mend it.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  barnabas why orders-0\n  barnabas why broker 2\n  barnabas why quorum --output json\n\n\
                  Exit code: 0 when nothing is wrong, 1 when something is, 2 for wrong arguments or when no broker answers."
)]
pub struct WhyArguments {
    /// What to explain: `quorum`, `broker ID`, or a partition as `TOPIC-NUMBER`.
    #[arg(value_name = "SUBJECT", num_args = 1..=2, required = true)]
    subject: Vec<String>,

    /// Brokers to begin with, as host:port; one that answers is enough.
    #[arg(long, value_name = "HOST:PORT,…", default_value = "localhost:9092", value_delimiter = ',')]
    bootstrap_server: Vec<String>,

    /// How long one question may take, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: u64,

    /// How it is told.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Sentences.
    Text,
    /// One JSON object.
    Json,
}

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Quorum,
    Broker(i32),
    Partition(String, i32),
}

impl Subject {
    fn parse(words: &[String]) -> Result<Self, String> {
        let number = |text: &str| text.parse().ok().filter(|number: &i32| *number >= 0);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["quorum"] => Ok(Self::Quorum),
            ["broker"] => Err("which broker? Give its id: barnabas why broker 2".to_owned()),
            ["broker", id] => {
                number(id).map(Self::Broker).ok_or_else(|| format!("'{id}' is no broker's id: a number from 0"))
            }
            [partition] | ["partition", partition] => {
                let parsed = partition.rsplit_once('-').and_then(|(topic, index)| Some((topic, number(index)?)));
                parsed
                    .filter(|(topic, _)| !topic.is_empty())
                    .map(|(topic, index)| Self::Partition(topic.to_owned(), index))
                    .ok_or_else(|| {
                        format!(
                            "'{partition}' is neither `quorum` nor `broker ID` nor a partition, such as {partition}-0"
                        )
                    })
            }
            _ => Err(format!("'{}': expected `quorum`, `broker ID` or TOPIC-NUMBER", words.join(" "))),
        }
    }
}

/// Looks, explains, and says how it stands.
#[must_use]
pub fn run(arguments: &WhyArguments) -> ExitCode {
    let complain = |error: &dyn std::fmt::Display| {
        eprintln!("barnabas why: {error}");
        ExitCode::from(2)
    };
    let subject = match Subject::parse(&arguments.subject) {
        Ok(subject) => subject,
        Err(error) => return complain(&error),
    };
    let report = match explain(arguments, &subject) {
        Ok(report) => report,
        Err(error) => return complain(&error),
    };
    match arguments.output {
        Output::Text => print!("{}", report.text()),
        Output::Json => println!("{}", report.json()),
    }
    if report.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn explain(arguments: &WhyArguments, subject: &Subject) -> Result<Report, ObserveError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ObserveError::Runtime)?;
    let timeout = Duration::from_millis(arguments.timeout_ms);
    runtime.block_on(async {
        let observer = observe::Observer::new(&arguments.bootstrap_server, timeout)?;
        Ok(match subject {
            Subject::Quorum => quorum::explain(&observer.quorum().await?),
            Subject::Broker(id) => broker::explain(*id, &observer.broker(*id).await?),
            Subject::Partition(topic, index) => {
                partition::explain(topic, *index, &observer.partition(topic, *index).await?)
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_the_quorum_a_broker_or_a_partition() {
        let parse = |words: &[&str]| Subject::parse(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert_eq!(parse(&["quorum"]), Ok(Subject::Quorum));
        assert_eq!(parse(&["broker", "2"]), Ok(Subject::Broker(2)));
        assert_eq!(parse(&["a-b-10"]), Ok(Subject::Partition("a-b".into(), 10)));
        assert_eq!(parse(&["broker-2"]), Ok(Subject::Partition("broker".into(), 2)));
        assert_eq!(parse(&["partition", "quorum-0"]), Ok(Subject::Partition("quorum".into(), 0)));
        for words in [&["broker"][..], &["broker", "-1"], &["orders"], &["-1"], &["orders-x"], &["a", "b"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
