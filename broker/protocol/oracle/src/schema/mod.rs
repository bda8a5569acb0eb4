//! Compares what our structures say of themselves with the schemas that Kafka's jars carry, and makes sure that the comparison notices.

pub mod alter;
pub mod compare;
pub mod read;
pub mod report;
