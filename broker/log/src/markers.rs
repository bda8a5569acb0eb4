//! The one thing that a log reads inside a batch while appending: the coordinator epoch of a transaction's end marker.

use barnabas_records::control::ControlRecord;
use barnabas_records::{BatchHeader, BatchView, DecompressLimits, Records};

/// The coordinator epoch in an abort or commit marker; none for any other batch, and none for a marker that cannot be read.
pub(crate) fn coordinator_epoch(header: &BatchHeader, records: &[u8]) -> Option<i32> {
    if !header.attributes.is_control() || !header.attributes.is_transactional() {
        return None;
    }
    // Markers are small and rare, so that a copy costs less than a second way of reading records.
    let bytes = [header.encode().as_slice(), records].concat();
    let batch = BatchView::parse(&bytes).ok()?;
    let mut records = Records::new(&batch, DecompressLimits::default()).ok()?;
    match ControlRecord::decode(&records.next().ok()??).ok()? {
        ControlRecord::Abort(marker) | ControlRecord::Commit(marker) => Some(marker.coordinator_epoch),
        _ => None,
    }
}
