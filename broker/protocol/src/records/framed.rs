//! Records whose value begins with a frame: frame version 1, record type and record version, all three as variable-length numbers. Makes the enum of a
//! log's records from its list. Knows none of the records.

use crate::wire::{DecodeError, DecodeFault, Reader, VersionRange};

/// The only version of the frame.
pub(super) const FRAME_VERSION: u8 = 1;

/// Makes the enum `$records` of a log's records. `$frame` and `$what` are what a number in the place of a frame version and of a record type should
/// have been.
macro_rules! framed_records {
    (
        $(#[$about:meta])* $records:ident, $frame:literal, $what:literal;
        $($variant:ident($record:ident) = $number:literal;)*
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub enum $records<'a> {
            $(
                #[doc = concat!("Record type ", stringify!($number), ".")]
                $variant($record<'a>),
            )*
        }

        impl<'a> $records<'a> {
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
                    $(Self::$variant(_) => <$record<'_> as $crate::Message>::NAME,)*
                }
            }

            /// The versions that the record can be written in.
            #[must_use]
            pub fn versions(&self) -> $crate::VersionRange {
                match self {
                    $(Self::$variant(_) => <$record<'_> as $crate::Message>::VERSIONS,)*
                }
            }

            /// The value of a log record, frame first.
            ///
            /// # Errors
            /// When the record has no such version or the version cannot carry what it says.
            pub fn encode(&self, version: i16) -> Result<::bytes::Bytes, $crate::EncodeError> {
                // Types and versions are below 128, so that each of the three numbers is one byte.
                let frame = [$crate::records::framed::FRAME_VERSION, self.number() as u8, version as u8];
                match self {
                    $(Self::$variant(record) => $crate::records::encode_record(&frame, record, version),)*
                }
            }

            /// Reads the value of a log record.
            ///
            /// # Errors
            /// When the frame or the record is not whole, is of a type or version that is not known, or something follows it.
            pub fn decode(value: &'a [u8]) -> Result<Self, $crate::DecodeError> {
                let mut reader = $crate::Reader::new(value);
                let (number, version) = $crate::records::framed::frame(&mut reader, $frame)?;
                match number {
                    $($number => $crate::records::decode_record(&mut reader, version).map(Self::$variant),)*
                    number => Err($crate::records::unknown_number(&reader, $what, i64::from(number))),
                }
            }
        }

        $(
            impl<'a> From<$record<'a>> for $records<'a> {
                fn from(record: $record<'a>) -> Self {
                    Self::$variant(record)
                }
            }

            const _: () = assert!($number < 128 && <$record<'_> as $crate::Message>::VERSIONS.max < 128);
        )*

        impl $crate::IntoOwned for $records<'_> {
            type Owned = $records<'static>;

            fn into_owned(self) -> $records<'static> {
                match self {
                    $(Self::$variant(record) => $records::$variant(record.into_owned()),)*
                }
            }
        }
    };
}
pub(super) use framed_records;

/// Record type and version, from the frame that `reader` begins with.
pub(super) fn frame(reader: &mut Reader<'_>, what: &'static str) -> Result<(u32, i16), DecodeError> {
    let frame_version = reader.unsigned_varint()?;
    if frame_version != u32::from(FRAME_VERSION) {
        return Err(super::unknown_number(reader, what, i64::from(frame_version)));
    }
    let number = reader.unsigned_varint()?;
    match i16::try_from(reader.unsigned_varint()?) {
        Ok(version) => Ok((number, version)),
        Err(_) => Err(reader.error(DecodeFault::UnsupportedVersion { supported: VersionRange::new(0, i16::MAX) })),
    }
}
