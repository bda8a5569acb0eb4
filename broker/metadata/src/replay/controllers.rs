//! Records of controllers.

use barnabas_protocol::records::metadata::RegisterControllerRecord;
use barnabas_types::BrokerId;

use crate::{BrokerEndpoint, ControllerRegistration, Controllers, FeatureRange};

pub(super) fn register(controllers: &mut Controllers, record: &RegisterControllerRecord<'_>) {
    let id = BrokerId(record.controller_id);
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
    let controller = ControllerRegistration {
        id,
        incarnation_id: record.incarnation_id,
        zk_migration_ready: record.zk_migration_ready,
        endpoints: endpoints.collect(),
        features: features.collect(),
    };
    controllers.insert(controller);
}
