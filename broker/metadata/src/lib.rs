//! The cluster's metadata: the image, how records change it, and what the controller decides. Pure: no file, no socket, no
//! clock, no randomness of its own.

mod bug;
mod controller;
mod delta;
pub mod directory_id;
mod directory_reports;
mod features;
mod image;
mod lagging;
pub mod placement;
mod record_version;
mod release;
mod replay;
pub mod snapshot;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod topic_name;

pub use bug::Bug;
pub use controller::*;
pub use delta::{Delta, TopicDelta};
pub use directory_reports::{DirectoryReports, ReplicaPlace};
pub use features::{
    ELIGIBLE_LEADER_REPLICAS, KAFKA_FEATURES, KRAFT_VERSION, Level, SERVED_FEATURES, ServedFeature, bootstrap_levels,
    needs, served_features, served_levels,
};
pub use image::*;
pub use lagging::{LaggingReplica, lagging_replicas};
pub use record_version::{MAX_METADATA_VERSION, MIN_METADATA_VERSION, fit, record_version};
pub use release::{metadata_version_name, metadata_version_names, metadata_version_of_release};
pub use replay::{History, NotedPermit, ReplayError};
