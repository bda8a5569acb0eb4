//! The one thing that a log reads inside a batch while appending: the marker with which a transaction ends.

use barnabas_records::control::ControlRecord;
use barnabas_records::{BatchHeader, BatchView, DecompressLimits, Records};

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndMarker {
    /// Its records are to be left out.
    pub(crate) aborted: bool,
    /// The epoch of the transaction coordinator that wrote the marker.
    pub(crate) coordinator_epoch: i32,
}

/// The abort or commit marker in a batch; none in any other batch, and none in one that cannot be read.
pub(crate) fn end_marker(header: &BatchHeader, records: &[u8]) -> Option<EndMarker> {
    if !header.attributes.is_control() || !header.attributes.is_transactional() {
        return None;
    }
    // Markers are small and rare, so that a copy costs less than a second way of reading records.
    let bytes = [header.encode().as_slice(), records].concat();
    let batch = BatchView::parse(&bytes).ok()?;
    let mut records = Records::new(&batch, DecompressLimits::default()).ok()?;
    match ControlRecord::decode(&records.next().ok()??).ok()? {
        ControlRecord::Abort(marker) => Some(EndMarker { aborted: true, coordinator_epoch: marker.coordinator_epoch }),
        ControlRecord::Commit(marker) => {
            Some(EndMarker { aborted: false, coordinator_epoch: marker.coordinator_epoch })
        }
        _ => None,
    }
}
