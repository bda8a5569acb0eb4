//! The floor beside which brokers are measured: one thread that receives frames, appends batches to files and answers, and that reads and
//! sends what was appended. It speaks just enough of Kafka's protocol to stand under the same load. It is no broker: it checks nothing,
//! remembers nothing and serves whoever comes on loopback.

mod append;
mod connection;
mod partition;
mod send;
mod serve;
mod wire;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;

use append::Way;
use send::Sender;

const HELP: &str =
    "floor: receives, appends, answers; reads, sends. The limit that the rows of the benchmark are shown beside.

Usage: floor --port PORT --directory DIRECTORY [--partitions N] [--sync] [--keep-mib N] [--append WAY] [--send WAY]

  --port PORT            where to listen on 127.0.0.1
  --directory DIRECTORY  an empty directory for one file per partition
  --partitions N         how many partitions each topic has [default: 1]
  --sync                 one fdatasync for all that was received at once, before it is answered
  --keep-mib N           let all but the newest N MiB of each file go (plain only) [default: keep all]
  --append WAY           when and how a batch is written [default: plain]
                           plain     at once, each batch in a call of its own
                           gathered  all that was received at once, in one call for each file
                           writer    by a thread, all that has been queued, in one call for each file
                           direct    from aligned memory by a thread, past the page cache (O_DIRECT)
                           trimmed   as plain; a thread syncs each 16 MiB and lets older pages go
  --send WAY             how what was appended is sent [default: sendfile]
                           sendfile  from the page cache to the socket
                           corked    the same, but told that it belongs to what was written before it
                           copy      read into a buffer, and written from there";

pub struct Settings {
    pub port: u16,
    pub directory: PathBuf,
    pub partitions: u32,
    pub sync: bool,
    pub keep_bytes: Option<u64>,
    pub append: Way,
    pub send: Sender,
}

fn settings(mut words: impl Iterator<Item = String>) -> Result<Option<Settings>, String> {
    let (mut port, mut directory, mut partitions, mut sync, mut keep_mib) = (None, None, 1, false, None::<u64>);
    let (mut append, mut send) = (Way::default(), Sender::default());
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "-h" | "--help" => return Ok(None),
            "--sync" => sync = true,
            "--directory" => directory = Some(PathBuf::from(value()?)),
            "--port" => port = Some(value()?.parse().map_err(|error| format!("--port: {error}"))?),
            "--partitions" => partitions = value()?.parse().map_err(|error| format!("--partitions: {error}"))?,
            "--keep-mib" => keep_mib = Some(value()?.parse().map_err(|error| format!("--keep-mib: {error}"))?),
            "--append" => append = chosen(&word, &value()?, &Way::ALL)?,
            "--send" => send = chosen(&word, &value()?, &Sender::ALL)?,
            _ => return Err(format!("{word}: not known")),
        }
    }
    let port = port.ok_or("--port is missing")?;
    let directory = directory.ok_or("--directory is missing")?;
    let keep_bytes = keep_mib.map(|mib| mib.saturating_mul(1 << 20));
    Ok(Some(Settings { port, directory, partitions, sync, keep_bytes, append, send }))
}

fn chosen<T: Copy>(word: &str, name: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(known, _)| *known == name);
    found.map(|(_, way)| *way).ok_or(format!("{word}: no way is called {name}"))
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
    let served = TcpListener::bind(("127.0.0.1", settings.port)).and_then(|listener| serve::run(&settings, &listener));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_chosen_by_name_and_others_are_refused() {
        let read = |words: &str| {
            settings(words.split(' ').map(String::from)).map(|settings| settings.map(|s| (s.append, s.send)))
        };
        assert_eq!(read("--port 1 --directory d"), Ok(Some((Way::Plain, Sender::Sendfile))));
        assert_eq!(read("--port 1 --directory d --append direct --send copy"), Ok(Some((Way::Direct, Sender::Copy))));
        assert!(read("--port 1 --directory d --append fast").is_err());
        assert!(read("--port 1 --directory d --send fast").is_err());
    }
}
