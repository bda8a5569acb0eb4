//! The metadata of this node: the controller that decides it, the publication that carries it to everything else here, and this
//! broker's own part in it.

mod controller;
mod detection;
mod error;
mod heard;
mod leader_watch;
mod owner;
mod presence;
mod producer_ids;
mod publish;
mod registration;
mod stop_permit;
#[cfg(test)]
mod tests;

pub use controller::{ControllerHandle, ControllerSettings, start};
pub use detection::{Detection, detect};
pub use error::ControllerError;
pub use leader_watch::watch_leader;
pub use presence::Presence;
pub use producer_ids::{ProducerIdError, ProducerIds};
pub use publish::{ActiveController, Applied, Change, Published, Publisher, Subscriber};
pub use registration::{BrokerLife, Directories, DirectoryNews, RegistrationFailed, register_controller};
pub use stop_permit::{Aged, reason_to_stay};
