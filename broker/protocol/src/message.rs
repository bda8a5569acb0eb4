//! What messages have in common: a name, versions, and which API they belong to. Frames are put around them elsewhere.

use barnabas_types::Segments;

use crate::ApiKey;
use crate::wire::{
    Decode, DecodeError, DecodeFault, Encode, EncodeError, EncodeFault, IntoOwned, Reader, SegmentWriter, Size,
    Version, VersionRange,
};

/// A whole message or record, which has versions of its own.
pub trait Message: Sized {
    /// Kafka's name of the message.
    const NAME: &'static str;
    /// The versions that can be read and written.
    const VERSIONS: VersionRange;
    /// Those with compact lengths and tagged fields; empty when there are none.
    const FLEXIBLE: VersionRange;

    /// Reads the message from where `reader` stands. Bytes after it are left; [`Reader::finish`] refuses them.
    ///
    /// # Errors
    /// When the message has no such version or the bytes are not such a message.
    fn decode<'a>(reader: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError>
    where
        Self: Decode<'a>,
    {
        let decoded = match self::version::<Self>(version) {
            Some(at) => Self::read(reader, at),
            None => Err(reader.error(DecodeFault::UnsupportedVersion { supported: Self::VERSIONS })),
        };
        decoded.map_err(|error| error.in_message(Self::NAME, version))
    }

    /// The message alone, without header and length, in one allocation when it has no large records.
    ///
    /// # Errors
    /// When the message has no such version or the version cannot carry what the message says.
    fn encode(&self, version: i16) -> Result<Segments, EncodeError>
    where
        Self: Encode,
    {
        let at = encodable::<Self>(version)?;
        let mut size = Size::default();
        self.write(&mut size, at).map_err(|error| error.in_message(Self::NAME, version))?;
        let mut writer = SegmentWriter::for_size(size);
        self.write(&mut writer, at).map_err(|error| error.in_message(Self::NAME, version))?;
        Ok(writer.finish())
    }

    /// How many bytes [`Message::encode`] gives.
    ///
    /// # Errors
    /// As `encode`.
    fn size(&self, version: i16) -> Result<usize, EncodeError>
    where
        Self: Encode,
    {
        let mut size = Size::default();
        self.write(&mut size, encodable::<Self>(version)?).map_err(|error| error.in_message(Self::NAME, version))?;
        Ok(size.total())
    }
}

/// The version `number` of `M`, when it has one.
fn version<M: Message>(number: i16) -> Option<Version> {
    M::VERSIONS.contains(number).then(|| Version { number, flexible: M::FLEXIBLE.contains(number) })
}

/// The version `number` of `M`, or the error that it cannot be written.
pub(crate) fn encodable<M: Message>(number: i16) -> Result<Version, EncodeError> {
    version::<M>(number).ok_or_else(|| {
        EncodeError::new(EncodeFault::UnsupportedVersion { supported: M::VERSIONS }).in_message(M::NAME, number)
    })
}

/// A request.
pub trait Request: Message + Encode {
    /// The API that it calls.
    const KEY: ApiKey;
    /// What the API answers.
    type Response<'a>: Response + Decode<'a> + IntoOwned<Owned = Self::Response<'static>>;
}

/// A response.
pub trait Response: Message + Encode {
    /// The API that it answers.
    const KEY: ApiKey;
}
