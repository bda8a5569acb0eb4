//! Records of blocks of producer ids.

use barnabas_protocol::records::metadata::ProducerIdsRecord;
use barnabas_types::ProducerId;

use super::ReplayError;
use crate::NextProducerId;

pub(super) fn producer_ids(ids: &mut NextProducerId, record: &ProducerIdsRecord<'_>) -> Result<(), ReplayError> {
    let (current, next) = (ids.next_producer_id, ProducerId(record.next_producer_id));
    if next < current {
        return Err(ReplayError::ProducerIdsGoBack { current, next });
    }
    *ids = NextProducerId { next_producer_id: next };
    Ok(())
}
