//! One handler file per API, named after it. A handler takes the decoded request and what stands around it, and returns
//! the response; which APIs exist and in which versions is the registry's one table.

mod allocate_producer_ids;
mod alter_configs;
mod alter_partition;
mod api_versions;
mod assign_replicas_to_dirs;
pub mod authorize;
mod broker_heartbeat;
mod broker_registration;
mod config_resources;
mod context;
mod controller_registration;
#[cfg(test)]
mod controller_tests;
mod coordinated;
mod create_partitions;
mod create_topics;
mod current_leader;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_quorum;
mod describe_topic_partitions;
#[cfg(test)]
mod disk_tests;
mod elect_leaders;
mod envelope;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod quorum;
mod registry;
mod sync_group;
#[cfg(test)]
mod topic_config_tests;
#[cfg(test)]
mod topic_tests;
mod unregister_broker;
mod update_features;

pub use context::{Answer, Refusal, Reply, RequestContext};
pub use fetch::FetchSessions;
pub use registry::{SERVED, SERVED_BY_CONTROLLER, dispatch, served};
