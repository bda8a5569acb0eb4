//! One handler file per API, named after it. A handler takes the decoded request and what stands around it, and returns
//! the response; which APIs exist and in which versions is the registry's one table.

mod api_versions;
mod context;
mod delete_records;
mod fetch;
mod list_offsets;
mod offset_for_leader_epoch;
mod produce;
mod registry;

pub use context::{Answer, Refusal, Reply, RequestContext};
pub use fetch::FetchSessions;
pub use registry::{SERVED, dispatch};
