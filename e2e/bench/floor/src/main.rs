//! The floor beside which brokers are measured: one thread that receives frames, appends batches to files and answers, and that reads and
//! sends what was appended. It speaks just enough of Kafka's protocol to stand under the same load. It is no broker: it checks nothing,
//! remembers nothing and serves whoever comes on loopback.

mod connection;
mod partition;
mod serve;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str =
    "floor: receives, appends, answers; reads, sends. The limit that the rows of the benchmark are shown beside.

Usage: floor --port PORT --directory DIRECTORY [--partitions N] [--sync]

  --port PORT            where to listen on 127.0.0.1
  --directory DIRECTORY  an empty directory for one file per partition
  --partitions N         how many partitions each topic has [default: 1]
  --sync                 one fdatasync for all that was received at once, before it is answered";

pub struct Settings {
    pub port: u16,
    pub directory: PathBuf,
    pub partitions: u32,
    pub sync: bool,
}

fn settings(mut words: impl Iterator<Item = String>) -> Result<Option<Settings>, String> {
    let (mut port, mut directory, mut partitions, mut sync) = (None, None, 1, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "-h" | "--help" => return Ok(None),
            "--sync" => sync = true,
            "--directory" => directory = Some(PathBuf::from(value()?)),
            "--port" => port = Some(value()?.parse().map_err(|error| format!("--port: {error}"))?),
            "--partitions" => partitions = value()?.parse().map_err(|error| format!("--partitions: {error}"))?,
            _ => return Err(format!("{word}: not known")),
        }
    }
    let port = port.ok_or("--port is missing")?;
    Ok(Some(Settings { port, directory: directory.ok_or("--directory is missing")?, partitions, sync }))
}

fn main() -> ExitCode {
    let settings = match settings(std::env::args().skip(1)) {
        Ok(Some(settings)) => settings,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprintln!("floor: {problem}; see --help");
            return ExitCode::from(2);
        }
    };
    match serve::run(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}
