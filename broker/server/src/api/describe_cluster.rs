//! DescribeCluster: the nodes of the cluster as the listener that was asked shows them (KIP-700).

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use barnabas_types::BrokerId;

use super::RequestContext;
use super::authorize::{CLUSTER_OPERATIONS, operations_if};
use crate::connection::ListenerKind;

/// Endpoint types: what a listener for brokers tells of, and what one of the controller does.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;
/// While no controller is known to be active.
const NOBODY: BrokerId = BrokerId(-1);

/// Answers from the image: brokers to whom asks a broker, controllers to whom asks a controller (KIP-919).
pub async fn handle(context: &RequestContext, request: DescribeClusterRequest<'_>) -> DescribeClusterResponse<'static> {
    let kind = context.connection.kind;
    // Before version 1 a request cannot say which it means.
    let asked = if context.api_version == 0 { own_type(kind) } else { request.endpoint_type };
    if let Some((error_code, message)) = refusal(kind, asked) {
        return DescribeClusterResponse { error_code, error_message: Some(message.into()), ..Default::default() };
    }
    let brokers = match kind {
        ListenerKind::Broker => brokers(context, request.include_fenced_brokers),
        ListenerKind::Controller => controllers(context),
    };
    // A client of a broker may ask any broker; one of a controller has to know which decides.
    let controller_id = match kind {
        ListenerKind::Broker => context.node.broker_id,
        ListenerKind::Controller => context.node.controller.active().borrow().id.unwrap_or(NOBODY),
    };
    let operations = request.include_cluster_authorized_operations;
    DescribeClusterResponse {
        endpoint_type: if context.api_version == 0 { BROKERS } else { asked },
        cluster_id: context.node.cluster_id.to_string().into(),
        controller_id: controller_id.0,
        brokers,
        cluster_authorized_operations: operations_if(operations, CLUSTER_OPERATIONS),
        ..Default::default()
    }
}

const fn own_type(kind: ListenerKind) -> i8 {
    match kind {
        ListenerKind::Broker => BROKERS,
        ListenerKind::Controller => CONTROLLERS,
    }
}

const fn refusal(kind: ListenerKind, asked: i8) -> Option<(ErrorCode, &'static str)> {
    match (kind, asked) {
        (ListenerKind::Broker, BROKERS) | (ListenerKind::Controller, CONTROLLERS) => None,
        (ListenerKind::Broker, CONTROLLERS) => Some((
            ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            "this listener is a broker's: ask one of the controller for controllers",
        )),
        (ListenerKind::Controller, BROKERS) => Some((
            ErrorCode::MISMATCHED_ENDPOINT_TYPE,
            "this listener is the controller's: ask one of a broker for brokers",
        )),
        _ => {
            Some((ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, "the endpoint type is neither 1 (brokers) nor 2 (controllers)"))
        }
    }
}

fn brokers(context: &RequestContext, fenced_too: bool) -> Vec<DescribeClusterBroker<'static>> {
    let image = context.node.image();
    let shown = image.brokers.iter().filter(|broker| !broker.fenced || fenced_too);
    let told = shown.filter_map(|broker| {
        let endpoint = broker.endpoint(&context.connection.listener)?;
        Some(DescribeClusterBroker {
            broker_id: broker.id.0,
            host: endpoint.host.to_string().into(),
            port: i32::from(endpoint.port),
            rack: broker.rack.as_deref().map(|rack| rack.to_owned().into()),
            is_fenced: broker.fenced,
            ..Default::default()
        })
    });
    told.collect()
}

fn controllers(context: &RequestContext) -> Vec<DescribeClusterBroker<'static>> {
    let image = context.node.image();
    let told = image.controllers.iter().filter_map(|controller| {
        let mut endpoints = controller.endpoints.iter();
        let endpoint = endpoints.find(|endpoint| *endpoint.name == *context.connection.listener)?;
        Some(DescribeClusterBroker {
            broker_id: controller.id.0,
            host: endpoint.host.to_string().into(),
            port: i32::from(endpoint.port),
            ..Default::default()
        })
    });
    told.collect()
}
