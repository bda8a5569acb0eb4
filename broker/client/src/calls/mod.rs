//! The typed calls, one file per API. A call that changes something takes one resource, so that trying again never repeats what was done for
//! another.

mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_topics;
mod describe_cluster;
pub mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_quorum;
mod describe_topic_partitions;
mod find_coordinator;
pub mod incremental_alter_configs;
mod list_groups;
pub mod list_offsets;
mod metadata;
pub mod offset_fetch;
mod raft_voters;
mod unregister_broker;

use barnabas_protocol::ApiKey;

use crate::ClientError;

/// The only element of a response to a request about one thing.
fn only<T>(api: ApiKey, what: &str, elements: Vec<T>) -> Result<T, ClientError> {
    elements.into_iter().next().ok_or_else(|| ClientError::Missing { api, what: what.to_owned() })
}
