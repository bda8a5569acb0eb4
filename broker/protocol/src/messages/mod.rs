//! The messages, one file per API. A file holds the structs of request and response and nothing that decides.

pub mod api_versions;
pub mod fetch;
pub mod metadata;
pub mod produce;

pub use api_versions::{ApiVersionsRequest, ApiVersionsResponse};
pub use fetch::{FetchRequest, FetchResponse};
pub use metadata::{MetadataRequest, MetadataResponse};
pub use produce::{ProduceRequest, ProduceResponse};

#[cfg(test)]
mod tests;
