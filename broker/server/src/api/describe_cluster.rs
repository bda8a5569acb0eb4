//! DescribeCluster: the nodes of the cluster as the listener that was asked shows them (KIP-700).

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};

use super::RequestContext;
use super::authorize::{CLUSTER_OPERATIONS, operations_if};

/// The only endpoints that a broker's listener knows; controllers are asked through theirs.
const BROKERS: i8 = 1;

/// Answers from the image.
pub async fn handle(context: &RequestContext, request: DescribeClusterRequest<'_>) -> DescribeClusterResponse<'static> {
    if request.endpoint_type != BROKERS {
        let (error_code, message) = match request.endpoint_type {
            2 => (ErrorCode::MISMATCHED_ENDPOINT_TYPE, "this listener is a broker's: controllers are not told here"),
            _ => (ErrorCode::UNSUPPORTED_ENDPOINT_TYPE, "the endpoint type is neither 1 (brokers) nor 2 (controllers)"),
        };
        return DescribeClusterResponse { error_code, error_message: Some(message.into()), ..Default::default() };
    }
    let image = context.node.image();
    let shown = image.brokers.iter().filter(|broker| !broker.fenced || request.include_fenced_brokers);
    let brokers = shown
        .filter_map(|broker| {
            let endpoint = broker.endpoint(&context.connection.listener)?;
            Some(DescribeClusterBroker {
                broker_id: broker.id.0,
                host: endpoint.host.to_string().into(),
                port: i32::from(endpoint.port),
                rack: broker.rack.as_deref().map(|rack| rack.to_owned().into()),
                is_fenced: broker.fenced,
                ..Default::default()
            })
        })
        .collect();
    let asked = request.include_cluster_authorized_operations;
    DescribeClusterResponse {
        cluster_id: context.node.cluster_id.to_string().into(),
        controller_id: context.node.broker_id.0,
        brokers,
        cluster_authorized_operations: operations_if(asked, CLUSTER_OPERATIONS),
        ..Default::default()
    }
}
