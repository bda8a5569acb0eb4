//! The client cases for the rdkafka crate: one line per case on standard output. Asserts nothing about timing.

mod cases;
mod session;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let bootstrap = option("--bootstrap").expect("--bootstrap ADDRESS");
    let only = option("--only");
    let session = session::Session::new(&bootstrap);
    // A failed case is a panic that is caught here; its message is the detail of the line.
    std::panic::set_hook(Box::new(|_| ()));
    let mut failed = false;
    for (name, case) in cases::all() {
        if only.as_ref().is_some_and(|wanted| *wanted != name) {
            continue;
        }
        let started = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| case(&session)));
        let (status, detail) = match &outcome {
            Ok(()) => ("ok", String::new()),
            Err(cause) => ("FAIL", text(cause.as_ref()).replace('\n', " ")),
        };
        failed |= outcome.is_err();
        println!("{status} {name} {:.2} {detail}", started.elapsed().as_secs_f64());
    }
    std::process::exit(i32::from(failed));
}

fn text(cause: &(dyn std::any::Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().cloned();
    text.or_else(|| cause.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "a panic without words".into())
}
