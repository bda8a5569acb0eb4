//! One file per kind of input. Each takes the node, decides and pushes effects.

pub(crate) mod append;
pub(crate) mod disk;
pub(crate) mod snapshot;
pub(crate) mod start;
pub(crate) mod stop;
