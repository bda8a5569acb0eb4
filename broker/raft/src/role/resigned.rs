//! A replica that has stopped taking part. It appends nothing and wins nothing more; only a new start changes that.

use barnabas_types::LeaderEpoch;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resigned {
    /// The epoch it last took part in.
    pub epoch: LeaderEpoch,
}
