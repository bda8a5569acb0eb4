//! Records of the metadata log. In the log each has a frame: frame version 1, record type and record version, all three as variable-length
//! numbers, then the record.

use bytes::Bytes;

use super::{decode_record, encode_record, unknown_number};
use crate::Message;
use crate::wire::{DecodeError, DecodeFault, EncodeError, IntoOwned, Reader, VersionRange};

pub mod abort_transaction;
pub mod begin_transaction;
pub mod broker_registration_change;
pub mod config;
pub mod end_transaction;
pub mod feature_level;
pub mod no_op;
pub mod partition;
pub mod partition_change;
pub mod producer_ids;
pub mod register_broker;
pub mod register_controller;
pub mod remove_topic;
pub mod topic;
pub mod unregister_broker;

pub use abort_transaction::AbortTransactionRecord;
pub use begin_transaction::BeginTransactionRecord;
pub use broker_registration_change::BrokerRegistrationChangeRecord;
pub use config::ConfigRecord;
pub use end_transaction::EndTransactionRecord;
pub use feature_level::FeatureLevelRecord;
pub use no_op::NoOpRecord;
pub use partition::PartitionRecord;
pub use partition_change::PartitionChangeRecord;
pub use producer_ids::ProducerIdsRecord;
pub use register_broker::RegisterBrokerRecord;
pub use register_controller::RegisterControllerRecord;
pub use remove_topic::RemoveTopicRecord;
pub use topic::TopicRecord;
pub use unregister_broker::UnregisterBrokerRecord;

/// The only version of the frame.
const FRAME_VERSION: u8 = 1;

macro_rules! metadata_records {
    ($($variant:ident($record:ident) = $number:literal;)*) => {
        /// A record of the metadata log.
        #[derive(Clone, Debug, PartialEq)]
        pub enum MetadataRecord<'a> {
            $(
                #[doc = concat!("Record type ", stringify!($number), ".")]
                $variant($record<'a>),
            )*
        }

        impl<'a> MetadataRecord<'a> {
            /// The record type.
            #[must_use]
            pub fn number(&self) -> i16 {
                match self {
                    $(Self::$variant(_) => $number,)*
                }
            }

            /// Kafka's name.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $record::NAME,)*
                }
            }

            /// The versions that the record can be written in.
            #[must_use]
            pub fn versions(&self) -> VersionRange {
                match self {
                    $(Self::$variant(_) => $record::VERSIONS,)*
                }
            }

            /// The value of a log record, frame first.
            ///
            /// # Errors
            /// When the record has no such version or the version cannot carry what it says.
            pub fn encode(&self, version: i16) -> Result<Bytes, EncodeError> {
                match self {
                    // Types and versions are below 128, so that each of the three numbers is one byte.
                    $(Self::$variant(record) => encode_record(&[FRAME_VERSION, $number, version as u8], record, version),)*
                }
            }

            fn read(reader: &mut Reader<'a>, number: u32, version: i16) -> Result<Self, DecodeError> {
                match number {
                    $($number => decode_record(reader, version).map(Self::$variant),)*
                    number => Err(unknown_number(reader, "metadata record type", i64::from(number))),
                }
            }
        }

        $(
            impl<'a> From<$record<'a>> for MetadataRecord<'a> {
                fn from(record: $record<'a>) -> Self {
                    Self::$variant(record)
                }
            }

            const _: () = assert!($number < 128 && $record::VERSIONS.max < 128);
        )*

        impl IntoOwned for MetadataRecord<'_> {
            type Owned = MetadataRecord<'static>;

            fn into_owned(self) -> MetadataRecord<'static> {
                match self {
                    $(Self::$variant(record) => MetadataRecord::$variant(record.into_owned()),)*
                }
            }
        }
    };
}

crate::every_metadata_record!(metadata_records);

impl<'a> MetadataRecord<'a> {
    /// Reads the value of a log record.
    ///
    /// # Errors
    /// When the frame or the record is not whole, is of a type or version that is not known, or something follows it.
    pub fn decode(value: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let frame_version = reader.unsigned_varint()?;
        if frame_version != u32::from(FRAME_VERSION) {
            return Err(unknown_number(&reader, "metadata frame version", i64::from(frame_version)));
        }
        let number = reader.unsigned_varint()?;
        let version = reader.unsigned_varint()?;
        let Ok(version) = i16::try_from(version) else {
            let supported = VersionRange::new(0, i16::MAX);
            return Err(reader.error(DecodeFault::UnsupportedVersion { supported }));
        };
        Self::read(&mut reader, number, version)
    }
}
