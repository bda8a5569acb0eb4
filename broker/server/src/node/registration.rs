//! What this node says of itself when it registers. Asks nobody.

use barnabas_metadata::{BrokerEndpoint, FeatureRange, PULSE_FEATURE};
use barnabas_protocol::messages::{
    BrokerRegistrationRequest, ControllerRegistrationRequest, broker_registration, controller_registration,
};
use barnabas_types::BrokerId;

use super::{NO_BROKER_EPOCH, Node, quorum};
use crate::config::{BrokerConfig, FailureDetection};

/// Of its broker, which clients reach at `endpoints`.
pub fn of_broker(node: &Node, endpoints: &[BrokerEndpoint]) -> BrokerRegistrationRequest<'static> {
    let log_dirs = node.directories.all().iter().map(|directory| directory.id).collect();
    BrokerRegistrationRequest {
        broker_id: node.broker_id.0,
        cluster_id: node.cluster_id.to_string().into(),
        incarnation_id: node.incarnation_id,
        log_dirs,
        previous_broker_epoch: node.directories.kept_broker_epoch().unwrap_or(NO_BROKER_EPOCH),
        ..of_nobody(&node.config, endpoints)
    }
}

/// What a broker says whose id and directories are not known: that it has no id, what it supports and where it is.
pub fn of_nobody(config: &BrokerConfig, endpoints: &[BrokerEndpoint]) -> BrokerRegistrationRequest<'static> {
    let listener = |endpoint: &BrokerEndpoint| broker_registration::Listener {
        name: endpoint.name.to_string().into(),
        host: endpoint.host.to_string().into(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
        ..Default::default()
    };
    let pulse = (config.failure_detection == FailureDetection::Fast).then(|| FeatureRange {
        name: PULSE_FEATURE.into(),
        min: 0,
        max: 1,
    });
    let features =
        barnabas_metadata::served_features().into_iter().chain(pulse).map(|feature| broker_registration::Feature {
            name: feature.name.to_string().into(),
            min_supported_version: feature.min,
            max_supported_version: feature.max,
            ..Default::default()
        });
    BrokerRegistrationRequest {
        broker_id: BrokerId::NONE.0,
        listeners: endpoints.iter().map(listener).collect(),
        features: features.collect(),
        rack: config.rack.clone().map(Into::into),
        ..BrokerRegistrationRequest::default()
    }
}

/// Of its controller.
pub fn of_controller(node: &Node) -> ControllerRegistrationRequest<'static> {
    let listener = |endpoint: BrokerEndpoint| controller_registration::Listener {
        name: endpoint.name.to_string().into(),
        host: endpoint.host.to_string().into(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
        ..Default::default()
    };
    let features = barnabas_metadata::served_features().into_iter().map(|feature| controller_registration::Feature {
        name: feature.name.to_string().into(),
        min_supported_version: feature.min,
        max_supported_version: feature.max,
        ..Default::default()
    });
    ControllerRegistrationRequest {
        controller_id: node.broker_id.0,
        incarnation_id: node.incarnation_id,
        listeners: quorum::controller_endpoints(&node.config).into_iter().map(listener).collect(),
        features: features.collect(),
        ..ControllerRegistrationRequest::default()
    }
}
