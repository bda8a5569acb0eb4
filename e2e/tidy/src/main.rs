//! House rules that a command can see, checked in seconds: layering, file heads, file lengths, names, the seam to the
//! outside, the metrics that alerts ask for. Has no dependencies and changes nothing; each problem is one line that says what to do.

mod layering;
mod monitoring;
mod sources;

use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "tidy: checks the house rules of this repository

Usage: cargo run -p barnabas-tidy [-- ROOT]

ROOT is the checkout, by default the current directory. Prints one line per problem; exit code 1 when there is one.";

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    if matches!(argument.as_deref(), Some("-h" | "--help")) {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let root = argument.unwrap_or_else(|| ".".to_owned());
    let root = Path::new(&root);
    let checks = [layering::problems(root), sources::problems(root), monitoring::problems(root)];
    let problems: Vec<String> = match checks.into_iter().collect::<Result<Vec<_>, _>>() {
        Ok(found) => found.concat(),
        Err(error) => {
            eprintln!("tidy: {error}");
            return ExitCode::from(2);
        }
    };
    for problem in &problems {
        println!("{problem}");
    }
    println!("tidy: {} problems", problems.len());
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
