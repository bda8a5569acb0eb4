//! BrokerRegistration, ControllerRegistration and UnregisterBroker: who belongs to the cluster, and under which id.

use barnabas_protocol::records::metadata::{MetadataRecord, UnregisterBrokerRecord};
use barnabas_protocol::{ErrorCode, IntoOwned};
use barnabas_types::{BrokerId, Uuid};

use super::elections::Move;
use super::{Context, Controller, Outcome};
use crate::record_version::{CONTROLLER_REGISTRATION, DIRECTORY_ASSIGNMENT};
use crate::{BrokerEndpoint, BrokerRegistration, ControllerRegistration, FeatureRange, directory_id, snapshot};

/// Ids up to here are left to those who choose theirs: the default of `reserved.broker.max.id`, behind which Kafka's brokers were given
/// theirs as long as ZooKeeper gave any (`broker.id.generation.enable`).
const LAST_CHOSEN_ID: i32 = 1000;

/// A broker that wants to take part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// `node.id`.
    pub broker_id: BrokerId,
    /// Made anew at every start of the process.
    pub incarnation_id: Uuid,
    /// The broker epoch up to whose end this broker has kept everything that it was counted for; -1 when it cannot say (KIP-966).
    pub previous_broker_epoch: i64,
    /// Its listeners.
    pub endpoints: Vec<BrokerEndpoint>,
    /// What it supports.
    pub features: Vec<FeatureRange>,
    /// `broker.rack`.
    pub rack: Option<Box<str>>,
    /// The directories that are online.
    pub log_dirs: Vec<Uuid>,
    /// True when the controller runs in the same process, which proves that no earlier one of this broker is left: two cannot hold the
    /// same directories.
    pub beside_controller: bool,
}

/// A broker takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Under which id.
    pub broker_id: BrokerId,
    /// In which epoch.
    pub broker_epoch: i64,
}

/// Why a broker may not take part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// Another process of that id was heard of lately.
    #[error(
        "another process is registered as broker {broker} and was heard of lately: give one of them another node.id; after a crash, wait \
         until its session ends (broker.session.timeout.ms)"
    )]
    Duplicate {
        /// The broker.
        broker: BrokerId,
        /// True where who asks has every directory that the registered process has, which one process alone can have open (`.lock`).
        has_directories: bool,
    },
    /// It cannot read what is finalised.
    #[error(
        "broker {broker} supports {feature} from {min} to {max}, but level {finalized} is finalised: run a release that supports it"
    )]
    UnsupportedFeature {
        /// The broker.
        broker: BrokerId,
        /// The feature.
        feature: Box<str>,
        /// The lowest level it supports.
        min: i16,
        /// The highest.
        max: i16,
        /// The level that is finalised.
        finalized: i16,
    },
    /// Its directories are missing, reserved, named twice, or another broker's.
    #[error(
        "broker {broker} may not register directory {directory}: each directory needs an id of its own (meta.properties)"
    )]
    Directory {
        /// The broker.
        broker: BrokerId,
        /// The directory; zero when there is none.
        directory: Uuid,
    },
    /// There is no id left to give.
    #[error(
        "a broker without an id cannot be given one: ids are given in rising order, and {highest} is taken; set its node.id, each node another"
    )]
    NoIdLeft {
        /// The highest id that somebody has.
        highest: BrokerId,
    },
}

impl RegistrationError {
    /// Kafka's code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Duplicate { .. } => ErrorCode::DUPLICATE_BROKER_REGISTRATION,
            Self::UnsupportedFeature { .. } => ErrorCode::UNSUPPORTED_VERSION,
            Self::Directory { .. } | Self::NoIdLeft { .. } => ErrorCode::INVALID_REGISTRATION,
        }
    }
}

/// The finalised metadata.version has no record for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "controllers register from metadata.version {CONTROLLER_REGISTRATION} on, and {metadata_version} is finalised: upgrade it \
     (kafka-features upgrade)"
)]
pub struct ControllerRegistrationUnsupported {
    /// What is finalised.
    pub metadata_version: i16,
}

/// A broker that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broker {broker} is not registered")]
pub struct BrokerNotRegistered {
    /// The broker.
    pub broker: BrokerId,
}

impl Controller {
    /// Registers a controller as it is now; no record when nothing changed.
    ///
    /// # Errors
    /// The finalised metadata.version has no record for it; then nobody may rely on it, and nothing is missing.
    pub fn register_controller(
        &self,
        controller: &ControllerRegistration,
    ) -> Result<Outcome<()>, ControllerRegistrationUnsupported> {
        let metadata_version = self.head.features.metadata_version();
        if metadata_version < CONTROLLER_REGISTRATION {
            return Err(ControllerRegistrationUnsupported { metadata_version });
        }
        let known = self.head.controllers.get(controller.id).is_some_and(|known| known.as_ref() == controller);
        let record = snapshot::controller(controller).into_owned();
        Ok(Outcome { records: if known { Vec::new() } else { vec![record] }, response: () })
    }

    /// Registers a broker, fenced. Its epoch is the offset of its record.
    ///
    /// # Errors
    /// Its id is another process's, it cannot read what is finalised, or its directories are not its own.
    pub fn register_broker(
        &mut self,
        context: &Context<'_>,
        registration: Registration,
    ) -> Result<Outcome<Registered>, RegistrationError> {
        self.check_duplicate(context, &registration)?;
        self.check_features(&registration)?;
        self.check_directories(&registration)?;
        let broker = registration.broker_id;
        let known = self.head.brokers.get(broker);
        let same_process = known.filter(|known| known.incarnation_id == registration.incarnation_id);
        // Others take over what a former process led before this one is let in. What it may have lost it is not elected for.
        let has_kept_all = known.is_some_and(|known| known.epoch == registration.previous_broker_epoch);
        let mut records = match same_process {
            Some(_) => Vec::new(),
            None if self.keeps_eligible() && !has_kept_all => {
                self.partition_changes(context, Move::MayHaveLost(broker))
            }
            None => self.partition_changes(context, Move::Leaves(broker)),
        };
        let next = context.next_offset.plus(i64::try_from(records.len()).unwrap_or(i64::MAX)).0;
        let epoch = same_process.map_or(next, |known| known.epoch);
        let state = BrokerRegistration {
            id: broker,
            epoch,
            incarnation_id: registration.incarnation_id,
            endpoints: registration.endpoints,
            features: registration.features,
            rack: registration.rack,
            fenced: same_process.is_none_or(|known| known.fenced),
            in_controlled_shutdown: same_process.is_some_and(|known| known.in_controlled_shutdown),
            log_dirs: registration.log_dirs,
            cordoned_log_dirs: same_process.and_then(|known| known.cordoned_log_dirs.clone()),
        };
        records.push(snapshot::broker(&state).into_owned());
        self.sessions.touch(broker, epoch, context.now, None);
        Ok(Outcome { records, response: Registered { broker_id: broker, broker_epoch: epoch } })
    }

    /// Registers a broker that has no id under one that it is given; what `registration` has as its id counts for nothing. `voters` are
    /// those of the quorum, whose ids are named and never given.
    ///
    /// Who asks again, because the answer was lost, is given the same id: the same process, and also a later one with the same
    /// directories, as long as the earlier one is not heard of any more.
    ///
    /// # Errors
    /// As [`Controller::register_broker`], and there is no id left.
    pub fn register_broker_without_id(
        &mut self,
        context: &Context<'_>,
        registration: Registration,
        voters: &[BrokerId],
    ) -> Result<Outcome<Registered>, RegistrationError> {
        let broker_id = match self.id_before(&registration, voters) {
            Some(id) => id,
            None => self.free_broker_id(voters)?,
        };
        self.register_broker(context, Registration { broker_id, ..registration })
    }

    /// Forgets a broker, whether it is up or not; one that is registers again when it finds out.
    ///
    /// # Errors
    /// Nobody knows it.
    pub fn unregister_broker(
        &self,
        context: &Context<'_>,
        broker: BrokerId,
    ) -> Result<Outcome<()>, BrokerNotRegistered> {
        let registered = self.head.brokers.get(broker).ok_or(BrokerNotRegistered { broker })?;
        let record = UnregisterBrokerRecord {
            broker_id: broker.0,
            broker_epoch: registered.epoch,
            ..UnregisterBrokerRecord::default()
        };
        let mut records = self.partition_changes(context, Move::Leaves(broker));
        records.push(MetadataRecord::UnregisterBroker(record));
        Ok(Outcome { records, response: () })
    }

    /// The id of the registered broker that is this process, else of the one that had one of its directories.
    fn id_before(&self, registration: &Registration, voters: &[BrokerId]) -> Option<BrokerId> {
        let known = || self.head.brokers.iter().filter(|known| !voters.contains(&known.id));
        let same_process = known().find(|known| known.incarnation_id == registration.incarnation_id);
        let had = |directory: &Uuid| registration.log_dirs.contains(directory);
        same_process.or_else(|| known().find(|known| known.log_dirs.iter().any(had))).map(|known| known.id)
    }

    /// The id after the highest that anybody has, and after those that are left to choose. A broker that was unregistered has its id as
    /// long as a partition lies there: it may come back.
    fn free_broker_id(&self, voters: &[BrokerId]) -> Result<BrokerId, RegistrationError> {
        let brokers = self.head.brokers.iter().map(|broker| broker.id);
        let controllers = self.head.controllers.iter().map(|controller| controller.id);
        let partitions = self.head.topics.by_name().flat_map(|topic| topic.partitions.values());
        let replicas = partitions.flat_map(|partition| partition.replicas.iter().copied());
        let taken = brokers.chain(controllers).chain(voters.iter().copied()).chain(replicas);
        let highest = taken.chain([BrokerId(LAST_CHOSEN_ID)]).max().unwrap_or(BrokerId(LAST_CHOSEN_ID));
        highest.0.checked_add(1).map(BrokerId).ok_or(RegistrationError::NoIdLeft { highest })
    }

    fn check_duplicate(&self, context: &Context<'_>, registration: &Registration) -> Result<(), RegistrationError> {
        let broker = registration.broker_id;
        let Some(known) = self.head.brokers.get(broker) else { return Ok(()) };
        let other = known.incarnation_id != registration.incarnation_id;
        let live = self.sessions.is_live(broker, known.epoch, context.now, context.broker_session_timeout);
        // One that was about to stop is not waited for: it is its successor that asks.
        let may_stay = live && !known.in_controlled_shutdown && !registration.beside_controller;
        if !other || !may_stay {
            return Ok(());
        }
        let dirs = &known.log_dirs;
        let has_directories =
            !dirs.is_empty() && dirs.iter().all(|directory| registration.log_dirs.contains(directory));
        Err(RegistrationError::Duplicate { broker, has_directories })
    }

    fn check_features(&self, registration: &Registration) -> Result<(), RegistrationError> {
        for (name, finalized) in self.head.features.iter() {
            let supported = registration.features.iter().find(|feature| feature.name.as_ref() == name);
            let (min, max) = supported.map_or((0, 0), |feature| (feature.min, feature.max));
            if finalized < min || finalized > max {
                let (broker, feature) = (registration.broker_id, name.into());
                return Err(RegistrationError::UnsupportedFeature { broker, feature, min, max, finalized });
            }
        }
        Ok(())
    }

    fn check_directories(&self, registration: &Registration) -> Result<(), RegistrationError> {
        if self.head.features.metadata_version() < DIRECTORY_ASSIGNMENT {
            return Ok(());
        }
        let broker = registration.broker_id;
        let dirs = &registration.log_dirs;
        if dirs.is_empty() {
            return Err(RegistrationError::Directory { broker, directory: Uuid::ZERO });
        }
        for (position, &directory) in dirs.iter().enumerate() {
            let twice = dirs.iter().skip(position + 1).any(|other| *other == directory);
            let others =
                self.head.brokers.iter().any(|other| other.id != broker && other.log_dirs.contains(&directory));
            if twice || others || directory_id::is_reserved(directory) {
                return Err(RegistrationError::Directory { broker, directory });
            }
        }
        Ok(())
    }
}
