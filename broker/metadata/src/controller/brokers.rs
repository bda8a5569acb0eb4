//! BrokerRegistration and BrokerHeartbeat: brokers come, are let in, and leave. Sessions do not expire here: the only broker
//! of a quorum of one lives in the same process, and stops with it.

use barnabas_protocol::records::metadata::{
    BrokerRegistrationChangeRecord, MetadataRecord, RegisterControllerRecord, UnregisterBrokerRecord,
};
use barnabas_protocol::{ErrorCode, IntoOwned};
use barnabas_types::{BrokerId, Offset, Uuid};

use super::elections::Move;
use super::{Context, Controller, Outcome};
use crate::{BrokerEndpoint, BrokerRegistration, ControllerRegistration, FeatureRange, snapshot};

/// A broker that wants to take part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// `node.id`.
    pub broker_id: BrokerId,
    /// Made anew at every start of the process.
    pub incarnation_id: Uuid,
    /// Its listeners.
    pub endpoints: Vec<BrokerEndpoint>,
    /// What it supports.
    pub features: Vec<FeatureRange>,
    /// `broker.rack`.
    pub rack: Option<Box<str>>,
    /// The directories that are online.
    pub log_dirs: Vec<Uuid>,
}

/// Why a broker may not take part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
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
}

impl RegistrationError {
    /// Kafka's code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnsupportedFeature { .. } => ErrorCode::UNSUPPORTED_VERSION,
            Self::Directory { .. } => ErrorCode::INVALID_REGISTRATION,
        }
    }
}

/// What a broker says now and then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Who.
    pub broker_id: BrokerId,
    /// The epoch of its registration.
    pub broker_epoch: i64,
    /// The last offset of the metadata log that it has applied.
    pub applied_offset: Offset,
    /// True when it does not want to lead.
    pub want_fence: bool,
    /// True when it wants to stop.
    pub want_shut_down: bool,
    /// Directories that take no new replicas.
    pub cordoned_log_dirs: Vec<Uuid>,
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatReply {
    /// True when it has applied its own registration.
    pub is_caught_up: bool,
    /// True when it may not lead.
    pub is_fenced: bool,
    /// True when it may stop.
    pub should_shut_down: bool,
}

/// The registration is not current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broker {broker} is not registered with epoch {epoch}: register again")]
pub struct StaleBrokerEpoch {
    /// The broker.
    pub broker: BrokerId,
    /// The epoch it came with.
    pub epoch: i64,
}

impl Controller {
    /// Registers a controller as it is now; no record when nothing changed.
    #[must_use]
    pub fn register_controller(&self, controller: &ControllerRegistration) -> Outcome<()> {
        let known = self.head.controllers.get(controller.id).is_some_and(|known| known.as_ref() == controller);
        let record: MetadataRecord<'static> = MetadataRecord::RegisterController(controller_record(controller));
        Outcome { records: if known { Vec::new() } else { vec![record] }, response: () }
    }

    /// Registers a broker, fenced. Its epoch is the offset of its record.
    ///
    /// # Errors
    /// It cannot read what is finalised, or its directories are not its own.
    pub fn register_broker(
        &self,
        context: &Context<'_>,
        registration: Registration,
    ) -> Result<Outcome<i64>, RegistrationError> {
        self.check_features(&registration)?;
        self.check_directories(&registration)?;
        let broker = registration.broker_id;
        let known = self.head.brokers.get(broker);
        let same_process = known.filter(|known| known.incarnation_id == registration.incarnation_id);
        // What a former process led it may have lost: others take over before it is let in again.
        let mut records = match same_process {
            Some(_) => Vec::new(),
            None => self.partition_changes(broker, Move::Leaves),
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
            cordoned_log_dirs: None,
        };
        records.push(snapshot::broker(&state).into_owned());
        Ok(Outcome { records, response: epoch })
    }

    /// Takes a heartbeat: lets a broker in once it has applied its registration, fences one that asks for it, and moves
    /// leadership away from one that wants to stop.
    ///
    /// # Errors
    /// The registration is not current.
    pub fn heartbeat(&self, heartbeat: &Heartbeat) -> Result<Outcome<HeartbeatReply>, StaleBrokerEpoch> {
        let (id, epoch) = (heartbeat.broker_id, heartbeat.broker_epoch);
        let broker = self.registered(id, epoch).ok_or(StaleBrokerEpoch { broker: id, epoch })?;
        let is_caught_up = heartbeat.applied_offset.0 >= epoch;
        let stop = heartbeat.want_shut_down;
        // One that leads nothing any more may stop, and is fenced at once: nobody has to find out that it is gone.
        let finish_stop = stop && !broker.fenced && !self.leads_any(id);
        let fence = finish_stop || (!stop && !broker.fenced && heartbeat.want_fence);
        let unfence = !stop && broker.fenced && !heartbeat.want_fence && is_caught_up;
        let begin_stop = stop && !broker.fenced && !broker.in_controlled_shutdown && !finish_stop;
        let cordoned =
            Some(&heartbeat.cordoned_log_dirs).filter(|&dirs| broker.cordoned_log_dirs.as_ref() != Some(dirs));
        let mut records = Vec::new();
        if fence || unfence || begin_stop || cordoned.is_some() {
            records.push(MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
                broker_id: id.0,
                broker_epoch: epoch,
                fenced: i8::from(fence) - i8::from(unfence),
                in_controlled_shutdown: i8::from(begin_stop),
                cordoned_log_dirs: cordoned.cloned(),
                ..BrokerRegistrationChangeRecord::default()
            }));
        }
        if unfence {
            records.extend(self.partition_changes(id, Move::Returns));
        } else if fence || begin_stop {
            records.extend(self.partition_changes(id, Move::Leaves));
        }
        let is_fenced = fence || (broker.fenced && !unfence);
        let should_shut_down = stop && is_fenced;
        Ok(Outcome { records, response: HeartbeatReply { is_caught_up, is_fenced, should_shut_down } })
    }

    /// Fences a broker that is gone.
    #[must_use]
    pub fn fence_broker(&self, broker: BrokerId) -> Outcome<()> {
        let Some(registered) = self.head.brokers.get(broker).filter(|registered| !registered.fenced) else {
            return Outcome { records: Vec::new(), response: () };
        };
        let mut records = vec![MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
            broker_id: broker.0,
            broker_epoch: registered.epoch,
            fenced: 1,
            ..BrokerRegistrationChangeRecord::default()
        })];
        records.extend(self.partition_changes(broker, Move::Leaves));
        Outcome { records, response: () }
    }

    /// Forgets a broker.
    ///
    /// # Errors
    /// The registration is not current.
    pub fn unregister_broker(&self, broker: BrokerId, epoch: i64) -> Result<Outcome<()>, StaleBrokerEpoch> {
        self.registered(broker, epoch).ok_or(StaleBrokerEpoch { broker, epoch })?;
        let mut records = self.partition_changes(broker, Move::Leaves);
        records.push(MetadataRecord::UnregisterBroker(UnregisterBrokerRecord {
            broker_id: broker.0,
            broker_epoch: epoch,
            ..UnregisterBrokerRecord::default()
        }));
        Ok(Outcome { records, response: () })
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
        /// The first 100 ids stand for "not assigned", "lost" and the like.
        const RESERVED: u128 = 100;
        let broker = registration.broker_id;
        let dirs = &registration.log_dirs;
        if dirs.is_empty() {
            return Err(RegistrationError::Directory { broker, directory: Uuid::ZERO });
        }
        for (position, &directory) in dirs.iter().enumerate() {
            let twice = dirs.iter().skip(position + 1).any(|other| *other == directory);
            let others =
                self.head.brokers.iter().any(|other| other.id != broker && other.log_dirs.contains(&directory));
            if twice || others || u128::from_be_bytes(directory.0) < RESERVED {
                return Err(RegistrationError::Directory { broker, directory });
            }
        }
        Ok(())
    }
}

fn controller_record(controller: &ControllerRegistration) -> RegisterControllerRecord<'static> {
    match snapshot::controller(controller).into_owned() {
        MetadataRecord::RegisterController(record) => record,
        _ => RegisterControllerRecord::default(),
    }
}
