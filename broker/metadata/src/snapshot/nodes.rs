//! Records of brokers and controllers.

use std::borrow::Cow;

use barnabas_protocol::records::metadata::register_broker::{BrokerEndpoint, BrokerFeature};
use barnabas_protocol::records::metadata::register_controller::{ControllerEndpoint, ControllerFeature};
use barnabas_protocol::records::metadata::{MetadataRecord, RegisterBrokerRecord, RegisterControllerRecord};

use crate::{BrokerRegistration, ControllerRegistration};

/// The record of a broker as it is.
pub(crate) fn broker(broker: &BrokerRegistration) -> MetadataRecord<'_> {
    let endpoints = broker.endpoints.iter().map(|endpoint| BrokerEndpoint {
        name: Cow::Borrowed(&endpoint.name),
        host: Cow::Borrowed(&endpoint.host),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
        ..BrokerEndpoint::default()
    });
    let features = broker.features.iter().map(|feature| BrokerFeature {
        name: Cow::Borrowed(&feature.name),
        min_supported_version: feature.min,
        max_supported_version: feature.max,
        ..BrokerFeature::default()
    });
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker_id: broker.id.0,
        incarnation_id: broker.incarnation_id,
        broker_epoch: broker.epoch,
        end_points: endpoints.collect(),
        features: features.collect(),
        rack: broker.rack.as_deref().map(Cow::Borrowed),
        fenced: broker.fenced,
        in_controlled_shutdown: broker.in_controlled_shutdown,
        log_dirs: broker.log_dirs.clone(),
        cordoned_log_dirs: broker.cordoned_log_dirs.clone(),
        ..RegisterBrokerRecord::default()
    })
}

/// The record of a controller as it is.
pub(crate) fn controller(controller: &ControllerRegistration) -> MetadataRecord<'_> {
    let endpoints = controller.endpoints.iter().map(|endpoint| ControllerEndpoint {
        name: Cow::Borrowed(&endpoint.name),
        host: Cow::Borrowed(&endpoint.host),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
        ..ControllerEndpoint::default()
    });
    let features = controller.features.iter().map(|feature| ControllerFeature {
        name: Cow::Borrowed(&feature.name),
        min_supported_version: feature.min,
        max_supported_version: feature.max,
        ..ControllerFeature::default()
    });
    MetadataRecord::RegisterController(RegisterControllerRecord {
        controller_id: controller.id.0,
        incarnation_id: controller.incarnation_id,
        zk_migration_ready: controller.zk_migration_ready,
        end_points: endpoints.collect(),
        features: features.collect(),
        ..RegisterControllerRecord::default()
    })
}
