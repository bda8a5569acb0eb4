//! The binary: arguments, files and environment in, a running broker out. Everything that can be decided without starting is
//! decided in the library; here are only reading, logging and exit codes.

mod arguments;
mod host;
mod storage;

use std::process::ExitCode;
use std::time::Instant;

use barnabas_server::config::boot::Boot;
use barnabas_server::logging;
use clap::Parser;

use arguments::{Arguments, Command, ServerArguments};

fn main() -> ExitCode {
    let began = Instant::now();
    let arguments = match Arguments::parse().command {
        Command::Server(arguments) => arguments,
        Command::Storage(arguments) => return storage::run(&arguments),
        Command::Why(arguments) => return barnabas_cli::why::run(&arguments),
        Command::Replay(arguments) => return barnabas_cli::replay::run(&arguments),
        Command::Perf(arguments) => return barnabas_cli::perf::run(&arguments),
        Command::Protocol(arguments) => return barnabas_cli::protocol::run(&arguments),
    };
    match serve(&arguments, began) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Several lines of cause on one line: container logs and supervisors show the last one.
            eprintln!("barnabas: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: &ServerArguments, began: Instant) -> anyhow::Result<()> {
    let boot = configure(arguments)?;
    let level = arguments.log_level.as_deref().unwrap_or(&boot.config.log_level);
    let log_level = logging::start(level, arguments.log_format.unwrap_or(boot.config.log_format.into()).into())?;
    for warning in &boot.warnings {
        tracing::warn!("{warning}");
    }
    barnabas_server::run(boot, arguments.format.into(), log_level, began)
}

fn configure(arguments: &ServerArguments) -> anyhow::Result<Boot> {
    let mut boot = host::configure(arguments.file.as_deref(), &arguments.layers, arguments.strict)?;
    if let Some(cluster_id) = &arguments.cluster_id {
        boot.cluster_id = Some(cluster_id.clone());
    }
    Ok(boot)
}
