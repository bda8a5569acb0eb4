//! What a broker may change in a batch that lies in a buffer of its own: base offset and leader epoch (outside the CRC),
//! timestamps (with a new CRC). Never touches the records.

use barnabas_types::{LeaderEpoch, Offset, Timestamp};

use crate::header::{BATCH_HEADER_BYTES, BatchError, BatchHeader};

/// Sets base offset and partition leader epoch at the front of `batch`, a whole batch or a copy of its header.
/// The CRC stays valid.
///
/// # Errors
/// What [`BatchHeader::parse`] says of the bytes; they are unchanged then.
pub fn base_offset_and_epoch(
    batch: &mut [u8],
    base_offset: Offset,
    partition_leader_epoch: LeaderEpoch,
) -> Result<(), BatchError> {
    let header = BatchHeader { base_offset, partition_leader_epoch, ..BatchHeader::parse(batch)? };
    write(batch, &header);
    Ok(())
}

/// Makes `batch`, one whole batch and nothing else, a LogAppendTime batch of `now`, and computes its CRC anew.
///
/// # Errors
/// What [`BatchHeader::parse`] says of the bytes; they are unchanged then.
pub fn log_append_time(batch: &mut [u8], now: Timestamp) -> Result<(), BatchError> {
    let mut header = BatchHeader::parse(batch)?;
    header.set_log_append_time(now);
    header.refresh_crc(batch.get(BATCH_HEADER_BYTES..header.size_bytes()).unwrap_or_default());
    write(batch, &header);
    Ok(())
}

fn write(batch: &mut [u8], header: &BatchHeader) {
    if let Some((front, _)) = batch.split_first_chunk_mut::<BATCH_HEADER_BYTES>() {
        *front = header.encode();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::BatchView;
    use crate::{Attributes, TimestampType};
    use barnabas_types::{ProducerEpoch, ProducerId};

    fn batch() -> Vec<u8> {
        let mut header = BatchHeader {
            base_offset: Offset(0),
            batch_length: 49 + 4,
            partition_leader_epoch: LeaderEpoch::NONE,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: 0,
            base_timestamp: Timestamp(5),
            max_timestamp: Timestamp(5),
            producer_id: ProducerId::NONE,
            producer_epoch: ProducerEpoch(-1),
            base_sequence: -1,
            record_count: 1,
        };
        header.refresh_crc(b"body");
        [header.encode().as_slice(), b"body"].concat()
    }

    #[test]
    fn offset_and_epoch_are_set_without_touching_what_the_crc_covers() {
        let mut bytes = batch();
        base_offset_and_epoch(&mut bytes, Offset(77), LeaderEpoch(3)).unwrap();
        let view = BatchView::parse(&bytes).unwrap();
        assert_eq!((view.header().base_offset, view.header().partition_leader_epoch), (Offset(77), LeaderEpoch(3)));
        view.check_crc().unwrap();
        assert_eq!(bytes[16..], batch()[16..]);
    }

    #[test]
    fn log_append_time_sets_type_and_time_and_a_valid_crc() {
        let mut bytes = batch();
        log_append_time(&mut bytes, Timestamp(99)).unwrap();
        let view = BatchView::parse(&bytes).unwrap();
        assert_eq!(view.header().attributes.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(view.header().max_timestamp, Timestamp(99));
        assert_eq!(view.header().base_timestamp, Timestamp(5));
        view.check_crc().unwrap();
    }

    #[test]
    fn bytes_that_are_no_batch_stay_as_they_are() {
        let mut bytes = vec![2; 30];
        assert!(base_offset_and_epoch(&mut bytes, Offset(1), LeaderEpoch(1)).is_err());
        assert!(log_append_time(&mut bytes, Timestamp(1)).is_err());
        assert_eq!(bytes, vec![2; 30]);
    }
}
