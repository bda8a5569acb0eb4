//! Records of `__consumer_offsets` for offsets and classic groups. A key begins with the record type, a value with its version.

use bytes::Bytes;

use super::{decode_record, encode_record, unknown_number};
use crate::wire::{Decode, DecodeError, EncodeError, IntoOwned, Reader, Version};

pub mod group_metadata;
pub mod legacy_offset_commit;
pub mod offset_commit;

pub use group_metadata::{GroupMetadataKey, GroupMetadataValue};
pub use legacy_offset_commit::{LegacyOffsetCommitKey, LegacyOffsetCommitValue};
pub use offset_commit::{OffsetCommitKey, OffsetCommitValue};

/// How record types and versions of values are written.
const PLAIN: Version = Version { number: 0, flexible: false };

macro_rules! group_records {
    ($($variant:ident($key:ident, $value:ident) = $number:literal;)*) => {
        /// A record of `__consumer_offsets`. Without a value it takes away what the key names.
        #[derive(Clone, Debug, PartialEq)]
        pub enum GroupRecord<'a> {
            $(
                #[doc = concat!("Record type ", stringify!($number), ".")]
                $variant {
                    /// What the record is about.
                    key: $key<'a>,
                    /// What is so from now on; `None` when it is no more.
                    value: Option<$value<'a>>,
                },
            )*
        }

        impl<'a> GroupRecord<'a> {
            /// The record type.
            #[must_use]
            pub fn number(&self) -> i16 {
                match self {
                    $(Self::$variant { .. } => $number,)*
                }
            }

            /// The key of the log record, record type first.
            ///
            /// # Errors
            /// When a text in it is too long.
            pub fn encode_key(&self) -> Result<Bytes, EncodeError> {
                match self {
                    $(Self::$variant { key, .. } => encode_record(&[0, $number], key, 0),)*
                }
            }

            /// The value of the log record, its version first; `None` when there is none.
            ///
            /// # Errors
            /// When the value has no such version or the version cannot carry what it says.
            pub fn encode_value(&self, version: i16) -> Result<Option<Bytes>, EncodeError> {
                let prefix = version.to_be_bytes();
                match self {
                    $(Self::$variant { value, .. } => {
                        value.as_ref().map(|value| encode_record(&prefix, value, version)).transpose()
                    })*
                }
            }

            /// Reads key and value of a log record.
            ///
            /// # Errors
            /// When key or value is not whole, of a type or version that is not known, or something follows it.
            pub fn decode(key: &'a [u8], value: Option<&'a [u8]>) -> Result<Self, DecodeError> {
                let mut key = Reader::new(key);
                match i16::read(&mut key, PLAIN)? {
                    $($number => Ok(Self::$variant {
                        key: decode_record(&mut key, 0)?,
                        value: value.map(|value| {
                            let mut value = Reader::new(value);
                            let version = i16::read(&mut value, PLAIN)?;
                            decode_record(&mut value, version)
                        }).transpose()?,
                    }),)*
                    number => Err(unknown_number(&key, "group record type", i64::from(number))),
                }
            }
        }

        impl IntoOwned for GroupRecord<'_> {
            type Owned = GroupRecord<'static>;

            fn into_owned(self) -> GroupRecord<'static> {
                match self {
                    $(Self::$variant { key, value } => {
                        GroupRecord::$variant { key: key.into_owned(), value: value.into_owned() }
                    })*
                }
            }
        }
    };
}

crate::every_group_record!(group_records);
