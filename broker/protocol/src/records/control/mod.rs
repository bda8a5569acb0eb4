//! Control records of the quorum: in the metadata log and its snapshots. Markers of transactions, which other logs have too, are not here.

use bytes::Bytes;

use super::{decode_record, encode_record, unknown_number};
use crate::wire::{Decode, DecodeError, EncodeError, IntoOwned, Reader, Version};

pub mod kraft_version;
pub mod leader_change;
pub mod snapshot_footer;
pub mod snapshot_header;
pub mod voters;

pub use kraft_version::KRaftVersionRecord;
pub use leader_change::LeaderChangeMessage;
pub use snapshot_footer::SnapshotFooterRecord;
pub use snapshot_header::SnapshotHeaderRecord;
pub use voters::VotersRecord;

/// How keys and the versions within values are written.
const PLAIN: Version = Version { number: 0, flexible: false };

macro_rules! control_records {
    ($($variant:ident($record:ident) = $number:literal;)*) => {
        /// A control record of the quorum.
        #[derive(Clone, Debug, PartialEq)]
        pub enum ControlRecord<'a> {
            $(
                #[doc = concat!("Control record type ", stringify!($number), ".")]
                $variant($record<'a>),
            )*
        }

        impl<'a> ControlRecord<'a> {
            /// The control record type.
            #[must_use]
            pub fn number(&self) -> i16 {
                match self {
                    $(Self::$variant(_) => $number,)*
                }
            }

            /// The value of the log record, in the version that the record says of itself.
            ///
            /// # Errors
            /// When the record has no such version or the version cannot carry what it says.
            pub fn encode(&self) -> Result<Bytes, EncodeError> {
                match self {
                    $(Self::$variant(record) => encode_record(&[], record, record.version),)*
                }
            }

            /// Reads key and value of a log record. The value begins with its version.
            ///
            /// # Errors
            /// When key or value is not whole, or of a type or version that is not known, or something follows it.
            pub fn decode(key: &[u8], value: &'a [u8]) -> Result<Self, DecodeError> {
                let number = Self::key_number(key)?;
                let version = i16::read(&mut Reader::new(value), PLAIN)?;
                let mut reader = Reader::new(value);
                match number {
                    $($number => decode_record(&mut reader, version).map(Self::$variant),)*
                    number => Err(unknown_number(&reader, "control record type of the quorum", i64::from(number))),
                }
            }
        }

        impl IntoOwned for ControlRecord<'_> {
            type Owned = ControlRecord<'static>;

            fn into_owned(self) -> ControlRecord<'static> {
                match self {
                    $(Self::$variant(record) => ControlRecord::$variant(record.into_owned()),)*
                }
            }
        }
    };
}

crate::every_control_record!(control_records);

impl ControlRecord<'_> {
    /// The key of the log record: key version 0, then the type.
    #[must_use]
    pub fn key(&self) -> [u8; 4] {
        let [high, low] = self.number().to_be_bytes();
        [0, 0, high, low]
    }

    /// The type in the key of a control record. Later key versions may have more after it.
    fn key_number(key: &[u8]) -> Result<i16, DecodeError> {
        let mut reader = Reader::new(key);
        let _version = i16::read(&mut reader, PLAIN)?;
        i16::read(&mut reader, PLAIN)
    }
}
