//! What this operator's objects are called, labelled and compared by. Reads and writes nothing.

pub mod desired;
pub mod labels;
pub mod names;
pub mod quantity;
pub mod words;
