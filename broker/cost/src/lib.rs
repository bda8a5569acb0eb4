//! What work costs, in instructions and allocations: the section that is counted, the program that counts, and the inputs. Instructions are
//! the same on a busy machine and an idle one, so a test can compare them. Measures no time, and is part of no released binary.

pub mod callgrind;
pub mod counted;
pub mod frames;
pub mod table;
pub mod workloads;
