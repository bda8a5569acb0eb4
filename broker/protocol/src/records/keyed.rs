//! Records of the logs that coordinators keep: a key that begins with the record type, and a value that begins with its version. Makes the enum of
//! a log's records from its list. Knows none of the records.

use super::decode_record;
use crate::Message;
use crate::wire::{Decode, DecodeError, Reader, Version};

/// How record types and versions of values are written.
const PLAIN: Version = Version { number: 0, flexible: false };

/// Makes the enum `$records` of a log's records. `$what` is what a number in the place of a record type should have been.
macro_rules! keyed_records {
    (
        $(#[$about:meta])* $records:ident, $what:literal;
        $($variant:ident($key:ident, $value:ident) = $number:literal;)*
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $records<'a> {
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

        impl<'a> $records<'a> {
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
            pub fn encode_key(&self) -> Result<::bytes::Bytes, $crate::EncodeError> {
                let prefix = self.number().to_be_bytes();
                match self {
                    $(Self::$variant { key, .. } => $crate::records::encode_record(&prefix, key, 0),)*
                }
            }

            /// The value of the log record, its version first; `None` when there is none.
            ///
            /// # Errors
            /// When the value has no such version or the version cannot carry what it says.
            pub fn encode_value(&self, version: i16) -> Result<Option<::bytes::Bytes>, $crate::EncodeError> {
                let prefix = version.to_be_bytes();
                match self {
                    $(Self::$variant { value, .. } => {
                        value.as_ref().map(|value| $crate::records::encode_record(&prefix, value, version)).transpose()
                    })*
                }
            }

            /// Reads key and value of a log record.
            ///
            /// # Errors
            /// When key or value is not whole, of a type or version that is not known, or something follows it.
            pub fn decode(key: &'a [u8], value: Option<&'a [u8]>) -> Result<Self, $crate::DecodeError> {
                let mut key = $crate::Reader::new(key);
                match $crate::records::keyed::number(&mut key)? {
                    $($number => Ok(Self::$variant {
                        key: $crate::records::decode_record(&mut key, 0)?,
                        value: value.map($crate::records::keyed::decode_value).transpose()?,
                    }),)*
                    number => Err($crate::records::unknown_number(&key, $what, i64::from(number))),
                }
            }
        }

        impl $crate::IntoOwned for $records<'_> {
            type Owned = $records<'static>;

            fn into_owned(self) -> $records<'static> {
                match self {
                    $(Self::$variant { key, value } => {
                        $records::$variant { key: key.into_owned(), value: value.into_owned() }
                    })*
                }
            }
        }
    };
}
pub(super) use keyed_records;

/// The record type or version that `reader` begins with.
pub(super) fn number(reader: &mut Reader<'_>) -> Result<i16, DecodeError> {
    i16::read(reader, PLAIN)
}

/// The value of a log record, its version first.
pub(super) fn decode_value<'a, R: Message + Decode<'a>>(value: &'a [u8]) -> Result<R, DecodeError> {
    let mut reader = Reader::new(value);
    let version = number(&mut reader)?;
    decode_record(&mut reader, version)
}
