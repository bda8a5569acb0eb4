//! One file per kind of input or message. Each takes the node, decides and pushes effects.

pub(crate) mod append;
pub(crate) mod begin_epoch;
pub(crate) mod disk;
pub(crate) mod end_epoch;
pub(crate) mod fetch;
pub(crate) mod fetch_response;
pub(crate) mod fetch_snapshot;
pub(crate) mod leader_silent;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod snapshot;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod timeout;
pub(crate) mod vote;
pub(crate) mod voter_change;
