//! UnregisterBroker: the cluster forgets a broker. Decided by the controller.

use std::time::Duration;

use barnabas_protocol::ErrorCode;
use barnabas_protocol::messages::unregister_broker::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use barnabas_types::BrokerId;

use super::RequestContext;

/// The request carries no time limit of its own; this is the clients' usual one.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Forgets a broker; one that is up registers again when it finds out.
pub async fn handle(
    context: &RequestContext,
    request: UnregisterBrokerRequest<'_>,
) -> UnregisterBrokerResponse<'static> {
    let (deadline, broker) = (context.node.runtime.deadline(TIMEOUT), BrokerId(request.broker_id));
    let decided = context
        .node
        .controller
        .try_decide(deadline, move |controller, decision| controller.unregister_broker(decision, broker))
        .await;
    let (error_code, message) = match decided {
        Ok(Ok(())) => (ErrorCode::NONE, None),
        Ok(Err(unknown)) => (ErrorCode::BROKER_ID_NOT_REGISTERED, Some(unknown.to_string())),
        Err(error) => (error.code(), Some(error.to_string())),
    };
    UnregisterBrokerResponse {
        error_code,
        error_message: message.map(Into::into),
        ..UnregisterBrokerResponse::default()
    }
}

#[cfg(test)]
mod tests {
    use barnabas_protocol::messages::*;

    use super::*;
    use crate::testing::{Broker, Client};

    async fn brokers(client: &mut Client) -> Vec<i32> {
        let request = DescribeClusterRequest { endpoint_type: 1, ..DescribeClusterRequest::default() };
        client.call(2, &request).await.brokers.iter().map(|broker| broker.broker_id).collect()
    }

    #[tokio::test]
    async fn a_broker_that_is_up_comes_back_with_its_next_heartbeat() {
        let broker = Broker::start_with("broker.heartbeat.interval.ms=50\n").await;
        let mut client = broker.connect().await;
        let unknown = client.call(0, &UnregisterBrokerRequest { broker_id: 7, ..Default::default() }).await;
        assert_eq!(unknown.error_code, ErrorCode::BROKER_ID_NOT_REGISTERED);
        assert!(unknown.error_message.is_some_and(|message| message.contains('7')));
        let epoch = broker.running.node.image().brokers.get(BrokerId(1)).unwrap().epoch;
        let gone = client.call(0, &UnregisterBrokerRequest { broker_id: 1, ..Default::default() }).await;
        assert_eq!(gone.error_code, ErrorCode::NONE);
        while brokers(&mut client).await.is_empty() {
            tokio::task::yield_now().await;
        }
        let again = broker.running.node.image().brokers.get(BrokerId(1)).unwrap().epoch;
        assert!(again > epoch, "{again} after {epoch}");
        broker.running.stop().await.unwrap();
    }
}
