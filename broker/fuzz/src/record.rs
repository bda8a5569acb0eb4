//! Records of Kafka's own logs: two bytes say which of all records, two its version, the rest is the record. What stands around records, frames
//! and keys, is read from the same bytes.

use barnabas_protocol::records::every::*;
use barnabas_protocol::records::{ControlRecord, GroupRecord, MetadataRecord};
use barnabas_protocol::{DecodeError, Message, Reader};

use crate::reread::reread;

/// The two bytes that choose a record: they follow from its name, so that inputs keep their meaning when records are added.
pub fn number_of(name: &str) -> u16 {
    name.bytes().fold(0, |number: u16, byte| number.wrapping_mul(31).wrapping_add(u16::from(byte)))
}

macro_rules! dispatch {
    ($wanted:ident $reader:ident $version:ident; $list:ident $($variant:ident($($record:ident),+) = $number:literal;)*) => {
        $($(
            if $wanted == number_of($record::NAME) {
                return reread!($record, $reader, $version);
            }
        )+)*
    };
}

fn read(wanted: u16, reader: &mut Reader<'_>, version: i16) -> Result<(), DecodeError> {
    barnabas_protocol::every_record!(dispatch wanted reader version;);
    Ok(())
}

/// Reads the record, and then the bytes as what a log has around records.
pub fn record(bytes: &[u8]) {
    let Some((&[high, low, version_high, version_low], rest)) = bytes.split_first_chunk::<4>() else { return };
    let _ =
        read(u16::from_be_bytes([high, low]), &mut Reader::new(rest), i16::from_be_bytes([version_high, version_low]));
    metadata(rest);
    let Some((key, value)) = rest.split_first_chunk::<4>() else { return };
    control(key, value);
    let middle = rest.len() / 2;
    let (key, value) = rest.split_at_checked(middle).unwrap_or_default();
    let _ = GroupRecord::decode(key, Some(value));
    let _ = GroupRecord::decode(rest, None);
}

/// What can be read of the metadata log can be written to it.
fn metadata(value: &[u8]) {
    let Ok(record) = MetadataRecord::decode(value) else { return };
    let versions = record.versions();
    let written = (versions.min..=versions.max).any(|version| record.encode(version).is_ok());
    assert!(written, "no version can write {record:?}");
}

/// What can be read of the quorum's control records can be written, and is read the same again.
fn control(key: &[u8], value: &[u8]) {
    let Ok(record) = ControlRecord::decode(key, value) else { return };
    let written = record.encode();
    assert!(written.is_ok(), "{record:?}: {written:?}");
    let written = written.unwrap_or_default();
    assert_eq!(ControlRecord::decode(&record.key(), &written), Ok(record));
}
