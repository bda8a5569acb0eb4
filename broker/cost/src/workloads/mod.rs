//! What is measured, one file per crate that does the work. A new workload is a function that calls `counted` once, and a row in its file's list.

mod protocol;

/// One piece of work.
#[derive(Clone, Copy)]
pub struct Workload {
    /// Its name in the table.
    pub name: &'static str,
    /// Prepares the input, checks that the work does what it should, and does it in a counted section.
    pub run: fn() -> Result<(), String>,
}

/// Every workload, in the order of the table.
pub fn all() -> impl Iterator<Item = Workload> {
    protocol::ALL.iter().copied()
}

/// Runs the one of `workloads` that is called `name`.
///
/// # Errors
/// When there is none, or it fails.
pub fn run(mut workloads: impl Iterator<Item = Workload>, name: &str) -> Result<(), String> {
    let workload =
        workloads.find(|workload| workload.name == name).ok_or_else(|| format!("no workload is called {name}"))?;
    (workload.run)()
}
