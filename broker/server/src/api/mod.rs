//! One handler file per API, named after it. A handler takes the decoded request and what stands around it, and returns
//! the response; which APIs exist and in which versions is the registry's one table.

mod api_versions;
mod context;
mod registry;

pub use context::{Answer, Refusal, Reply, RequestContext};
pub use registry::{SERVED, dispatch};
