//! UnregisterBroker: makes the cluster forget a broker that is gone for good.

use barnabas_protocol::messages::UnregisterBrokerRequest;
use barnabas_protocol::{ApiKey, VersionRange};

use crate::{Client, ClientError};

impl Client {
    /// Forgets broker `broker_id`. Asks once.
    ///
    /// # Errors
    /// When no broker answers in time or the cluster refuses: BROKER_ID_NOT_REGISTERED when it knows none of this id.
    pub async fn unregister_broker(&self, broker_id: i32) -> Result<(), ClientError> {
        let request = UnregisterBrokerRequest { broker_id, ..Default::default() };
        let response = self.call_any(&request, VersionRange::new(0, ApiKey::UnregisterBroker.versions().max)).await?;
        let what = format!("broker {broker_id}");
        ClientError::check(ApiKey::UnregisterBroker, &what, response.error_code, response.error_message.as_deref())
    }
}
