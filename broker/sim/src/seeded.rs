//! Bugs that are put into the engine on purpose, to see whether an invariant finds them. The engine has the list.

pub use barnabas_raft::Bug;

/// Those that chance meets too seldom: a scenario shows each.
pub const SCRIPTED: &[Bug] = &[Bug::TrustsTheFirstLeader];
