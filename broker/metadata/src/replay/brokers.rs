//! Records of brokers.

use std::sync::Arc;

use barnabas_protocol::records::metadata::{
    BrokerRegistrationChangeRecord, FenceBrokerRecord, RegisterBrokerRecord, UnfenceBrokerRecord,
    UnregisterBrokerRecord,
};
use barnabas_types::BrokerId;

use super::ReplayError;
use crate::{BrokerEndpoint, BrokerRegistration, Brokers, FeatureRange};

pub(super) fn register(brokers: &mut Brokers, record: &RegisterBrokerRecord<'_>) {
    let id = BrokerId(record.broker_id);
    let endpoints = record.end_points.iter().map(|endpoint| BrokerEndpoint {
        name: endpoint.name.as_ref().into(),
        host: endpoint.host.as_ref().into(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    });
    let features = record.features.iter().map(|feature| FeatureRange {
        name: feature.name.as_ref().into(),
        min: feature.min_supported_version,
        max: feature.max_supported_version,
    });
    let broker = BrokerRegistration {
        id,
        epoch: record.broker_epoch,
        incarnation_id: record.incarnation_id,
        endpoints: endpoints.collect(),
        features: features.collect(),
        rack: record.rack.as_deref().map(Into::into),
        fenced: record.fenced,
        in_controlled_shutdown: record.in_controlled_shutdown,
        log_dirs: record.log_dirs.clone(),
        cordoned_log_dirs: record.cordoned_log_dirs.clone(),
    };
    brokers.insert(broker);
}

pub(super) fn unregister(brokers: &mut Brokers, record: &UnregisterBrokerRecord) -> Result<(), ReplayError> {
    let id = BrokerId(record.broker_id);
    registered(brokers, "UnregisterBrokerRecord", id, record.broker_epoch)?;
    brokers.remove(id);
    Ok(())
}

pub(super) fn change(brokers: &mut Brokers, record: &BrokerRegistrationChangeRecord) -> Result<(), ReplayError> {
    const NAME: &str = "BrokerRegistrationChangeRecord";
    let id = BrokerId(record.broker_id);
    let mut broker = BrokerRegistration::clone(registered(brokers, NAME, id, record.broker_epoch)?);
    match record.fenced {
        0 => {}
        1 => broker.fenced = true,
        -1 => broker.fenced = false,
        value => return Err(ReplayError::UnknownValue { record: NAME, field: "fenced", value: value.into() }),
    }
    match record.in_controlled_shutdown {
        0 => {}
        1 => broker.in_controlled_shutdown = true,
        value => {
            return Err(ReplayError::UnknownValue { record: NAME, field: "inControlledShutdown", value: value.into() });
        }
    }
    if !record.log_dirs.is_empty() {
        broker.log_dirs.clone_from(&record.log_dirs);
    }
    if record.cordoned_log_dirs.is_some() {
        broker.cordoned_log_dirs.clone_from(&record.cordoned_log_dirs);
    }
    brokers.insert(broker);
    Ok(())
}

pub(super) fn fence(brokers: &mut Brokers, record: &FenceBrokerRecord) -> Result<(), ReplayError> {
    set_fenced(brokers, "FenceBrokerRecord", BrokerId(record.id), record.epoch, true)
}

pub(super) fn unfence(brokers: &mut Brokers, record: &UnfenceBrokerRecord) -> Result<(), ReplayError> {
    set_fenced(brokers, "UnfenceBrokerRecord", BrokerId(record.id), record.epoch, false)
}

fn set_fenced(
    brokers: &mut Brokers,
    record: &'static str,
    id: BrokerId,
    epoch: i64,
    fenced: bool,
) -> Result<(), ReplayError> {
    let mut broker = BrokerRegistration::clone(registered(brokers, record, id, epoch)?);
    broker.fenced = fenced;
    brokers.insert(broker);
    Ok(())
}

fn registered<'a>(
    brokers: &'a Brokers,
    record: &'static str,
    broker: BrokerId,
    epoch: i64,
) -> Result<&'a Arc<BrokerRegistration>, ReplayError> {
    brokers.get(broker).filter(|registered| registered.epoch == epoch).ok_or(ReplayError::UnknownBroker {
        record,
        broker,
        epoch,
    })
}
