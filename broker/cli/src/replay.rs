//! `barnabas replay`: plays the recording of a core once more and says whether it is what happened, and what broke. Reads one file and changes
//! nothing; the cores and the format are the recording crate's.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use barnabas_recording::{Damaged, MAX_FILE_BYTES, Replayed, read, replay};
use clap::Args;

/// Play the recording of a core once more: its inputs, what came of them, and whether that is what came of them then.
#[derive(Args, Debug)]
#[command(
    after_help = "A node writes a recording when a core breaks (its log names the file), and gives one on request:\n  \
                  curl -X POST -o FILE 'http://localhost:9644/recordings?core=raft'\n\n\
                  Exit code: 0 when everything came as recorded, 1 when something came otherwise or an invariant broke, 2 for wrong \
                  arguments or a file that cannot be read."
)]
pub struct ReplayArguments {
    /// The recording.
    file: PathBuf,

    /// Show the last so many inputs with their effects; all are played. 0 for none, as many as there are without it.
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    last: usize,
}

#[derive(Debug, thiserror::Error)]
enum ReplayError {
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} has {bytes} bytes, which no recording has (at most {MAX_FILE_BYTES})", path.display())]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{}: {source}", path.display())]
    Damaged { path: PathBuf, source: Damaged },
}

/// Plays the file and says what came of it.
#[must_use]
pub fn run(arguments: &ReplayArguments) -> ExitCode {
    match play(&arguments.file, arguments.last) {
        Ok((text, replayed)) => {
            // Who reads may have seen enough (`| head`): the exit code says the same.
            let _ = io::stdout().write_all(text.as_bytes());
            if replayed.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("barnabas replay: {error}");
            ExitCode::from(2)
        }
    }
}

fn play(path: &Path, last: usize) -> Result<(String, Replayed), ReplayError> {
    let bytes = contents(path)?;
    let damaged = |source| ReplayError::Damaged { path: path.to_path_buf(), source };
    let recording = read(&bytes).map_err(damaged)?;
    let head = &recording.head;
    let mut text = format!(
        "{} {} of node {}, release {}: {}\n",
        head.core.name(),
        head.name,
        head.node,
        head.release,
        head.reason
    );
    if head.release != env!("CARGO_PKG_VERSION") {
        text.push_str("recorded by another release than this one, which may decide otherwise without being wrong\n");
    }
    // A core that panics here is what is looked for, and told as such.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let replayed = replay(&recording, last, &mut text).unwrap_or_default();
    std::panic::set_hook(hook);
    text.push_str(&format!("{replayed}\n"));
    Ok((text, replayed))
}

fn contents(path: &Path) -> Result<Vec<u8>, ReplayError> {
    let io = |source| ReplayError::Io { path: path.to_path_buf(), source };
    let bytes = std::fs::metadata(path).map_err(io)?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(ReplayError::TooLarge { path: path.to_path_buf(), bytes });
    }
    std::fs::read(path).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_or_no_recording_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        assert!(play(&path, 0).unwrap_err().to_string().starts_with("cannot read "));
        std::fs::write(&path, "hello\n").unwrap();
        let error = play(&path, 0).unwrap_err().to_string();
        assert!(error.contains("line 1, byte 0: this is no recording"), "{error}");
    }
}
