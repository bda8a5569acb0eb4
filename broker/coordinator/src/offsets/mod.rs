//! Committed offsets: what each API about them decides, in a file of its own, and the state that records of theirs lead to.

pub(crate) mod commit;
pub(crate) mod delete;
pub(crate) mod expire;
pub(crate) mod fetch;
mod state;

pub(crate) use state::Topics;
pub use state::{Committed, Offsets};
