//! Records out of a batch, one at a time: borrowed from the batch where it is not compressed, from one buffer that is used
//! again and again where it is. Trusts the header's record count only as far as the records bear it out.

use std::io::{BufReader, Read};

use barnabas_types::{Offset, Timestamp};

use crate::compression::{DecompressError, DecompressLimits, Decompressor};
use crate::header::{BatchError, BatchHeader, Codec, TimestampType};
use crate::varint::{FieldError, FieldReader};
use crate::view::BatchView;

/// Why the records of a batch cannot be read. Kafka's INVALID_RECORD; the CRC was right or nobody looked.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The batch names a codec that there is not.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The compressed block is damaged or too large.
    #[error(transparent)]
    Decompress(#[from] DecompressError),
    /// The batch ends inside this record, or before it.
    #[error("record {record_index} is cut off")]
    Truncated {
        /// Which record, from 0.
        record_index: i32,
    },
    /// A length that the field cannot have.
    #[error("record {record_index} declares a length of {length}")]
    Length {
        /// Which record, from 0.
        record_index: i32,
        /// The declared length.
        length: i32,
    },
    /// A variable-length integer of too many bytes.
    #[error("record {record_index} holds an integer that is too long")]
    Varint {
        /// Which record, from 0.
        record_index: i32,
    },
    /// The record's fields end before its declared length does.
    #[error("record {record_index} declares {unused} bytes more than its fields use")]
    RecordTooLong {
        /// Which record, from 0.
        record_index: i32,
        /// Bytes left over.
        unused: usize,
    },
    /// Bytes follow the last of the declared records.
    #[error("bytes follow the {record_count} records that the batch declares")]
    TrailingBytes {
        /// The declared count.
        record_count: i32,
    },
}

impl RecordError {
    /// The record at fault, where one is.
    #[must_use]
    pub fn record_index(&self) -> Option<i32> {
        match self {
            Self::Truncated { record_index }
            | Self::Length { record_index, .. }
            | Self::Varint { record_index }
            | Self::RecordTooLong { record_index, .. } => Some(*record_index),
            Self::Batch(_) | Self::Decompress(_) | Self::TrailingBytes { .. } => None,
        }
    }

    pub(crate) fn of_field(error: FieldError, record_index: i32) -> Self {
        match error {
            FieldError::End => Self::Truncated { record_index },
            FieldError::Varint => Self::Varint { record_index },
            FieldError::Length(length) => Self::Length { record_index, length },
            // Only a decompressor fails; readers of one explain its errors themselves before they come here.
            FieldError::Source(source) => DecompressError::Damaged { codec: Codec::None.name(), source }.into(),
        }
    }
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its place in the partition.
    pub offset: Offset,
    /// The producer's time, or the batch's where the broker set it.
    pub timestamp: Timestamp,
    /// The key, if there is one.
    pub key: Option<&'a [u8]>,
    /// The value; null is a tombstone in a compacted topic.
    pub value: Option<&'a [u8]>,
    header_count: usize,
    header_bytes: &'a [u8],
}

/// A record's header. Keys may repeat; Kafka writes them as UTF-8 and nothing here checks that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value, which may be null.
    pub value: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// The headers in their order.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        Headers { left: self.header_count, bytes: self.header_bytes }
    }

    /// Reads the fields of one record and says how many bytes they left over; `bytes` is exactly the record's body, without
    /// the length in front.
    fn parse(bytes: &'a [u8], batch: &BatchHeader) -> Result<(Self, usize), FieldError> {
        let mut rest = bytes;
        let mut fields = FieldReader::new(&mut rest, bytes.len());
        let prefix = RecordPrefix::read(&mut fields)?;
        let key = fields.nullable_length()?.map(|length| fields.take(length)).transpose()?;
        let value = fields.nullable_length()?.map(|length| fields.take(length)).transpose()?;
        let header_count = fields.length()?;
        let header_bytes = rest;
        let mut fields = FieldReader::new(&mut rest, header_bytes.len());
        for _ in 0..header_count {
            read_header(&mut fields)?;
        }
        let unused = rest.len();
        let (offset, timestamp) = (prefix.offset(batch), prefix.timestamp(batch));
        Ok((Self { offset, timestamp, key, value, header_count, header_bytes }, unused))
    }
}

/// What a record begins with.
pub(crate) struct RecordPrefix {
    pub(crate) timestamp_delta: i64,
    pub(crate) offset_delta: i32,
}

impl RecordPrefix {
    pub(crate) fn read<R: std::io::BufRead>(fields: &mut FieldReader<'_, R>) -> Result<Self, FieldError> {
        let _attributes = fields.byte()?;
        Ok(Self { timestamp_delta: fields.varlong()?, offset_delta: fields.varint()? })
    }

    fn offset(&self, batch: &BatchHeader) -> Offset {
        batch.base_offset.plus(i64::from(self.offset_delta))
    }

    /// Wraps as the clients' arithmetic does, so that both see the same time.
    pub(crate) fn timestamp(&self, batch: &BatchHeader) -> Timestamp {
        match batch.attributes.timestamp_type() {
            TimestampType::CreateTime => Timestamp(batch.base_timestamp.0.wrapping_add(self.timestamp_delta)),
            TimestampType::LogAppendTime => batch.max_timestamp,
        }
    }
}

fn read_header<'a>(fields: &mut FieldReader<'_, &'a [u8]>) -> Result<Header<'a>, FieldError> {
    let key_bytes = fields.length()?;
    let key = fields.take(key_bytes)?;
    let value = fields.nullable_length()?.map(|length| fields.take(length)).transpose()?;
    Ok(Header { key, value })
}

/// Iterator over a record's headers.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    left: usize,
    bytes: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.left = self.left.checked_sub(1)?;
        let available = self.bytes.len();
        // The record was read through once already, so that this cannot fail.
        read_header(&mut FieldReader::new(&mut self.bytes, available)).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

enum Source<'a> {
    Plain(&'a [u8]),
    Compressed { stream: Box<BufReader<Decompressor<'a>>>, body: Vec<u8> },
}

/// Reads the records of a batch in order. Each is lent until the next is asked for.
pub struct Records<'a> {
    batch: BatchHeader,
    source: Source<'a>,
    next_index: i32,
    finished: bool,
}

impl<'a> Records<'a> {
    /// The records of `batch`, decompressed within `limits` as they are asked for. The CRC is the caller's to check.
    ///
    /// # Errors
    /// [`RecordError::Batch`] for an unknown codec, [`RecordError::Decompress`].
    pub fn new(batch: &BatchView<'a>, limits: DecompressLimits) -> Result<Self, RecordError> {
        let stored = batch.stored_records();
        let source = match batch.header().codec()? {
            Codec::None => Source::Plain(stored),
            codec => Source::Compressed {
                stream: Box::new(Decompressor::new(codec, stored, limits)?.buffered()),
                body: Vec::new(),
            },
        };
        Ok(Self { batch: *batch.header(), source, next_index: 0, finished: false })
    }

    /// The next record, or `None` after the last. After an error there is nothing more.
    ///
    /// # Errors
    /// All of [`RecordError`].
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend from itself")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, RecordError> {
        if self.finished {
            return Ok(None);
        }
        // Assume the worst, so that every early return below leaves nothing to read.
        self.finished = true;
        if self.next_index >= self.batch.record_count {
            self.check_end()?;
            return Ok(None);
        }
        let record_index = self.next_index;
        let body = match &mut self.source {
            Source::Plain(rest) => plain_body(rest).map_err(|error| RecordError::of_field(error, record_index))?,
            Source::Compressed { stream, body } => {
                read_body(stream, body).map_err(|error| explain(stream, error, record_index))?;
                body.as_slice()
            }
        };
        let (record, unused) =
            Record::parse(body, &self.batch).map_err(|error| RecordError::of_field(error, record_index))?;
        if unused > 0 {
            return Err(RecordError::RecordTooLong { record_index, unused });
        }
        self.next_index += 1;
        self.finished = false;
        Ok(Some(record))
    }

    fn check_end(&mut self) -> Result<(), RecordError> {
        let at_end = match &mut self.source {
            Source::Plain(rest) => rest.is_empty(),
            Source::Compressed { stream, .. } => at_end(stream)?,
        };
        if at_end { Ok(()) } else { Err(RecordError::TrailingBytes { record_count: self.batch.record_count }) }
    }
}

/// Whether nothing more comes out of the decompressor.
pub(crate) fn at_end(stream: &mut BufReader<Decompressor<'_>>) -> Result<bool, DecompressError> {
    use std::io::BufRead as _;
    match stream.fill_buf() {
        Ok(rest) => Ok(rest.is_empty()),
        Err(error) => Err(stream.get_ref().explain(error)),
    }
}

/// Says what went wrong, and asks the decompressor where it was the one that failed.
pub(crate) fn explain(stream: &BufReader<Decompressor<'_>>, error: FieldError, record_index: i32) -> RecordError {
    match error {
        FieldError::Source(error) => stream.get_ref().explain(error).into(),
        error => RecordError::of_field(error, record_index),
    }
}

fn plain_body<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], FieldError> {
    let available = rest.len();
    let mut fields = FieldReader::new(rest, available);
    let length = fields.length()?;
    fields.take(length)
}

/// Reads one record's body into `body`, which grows with what comes and not with what was declared.
fn read_body(stream: &mut BufReader<Decompressor<'_>>, body: &mut Vec<u8>) -> Result<(), FieldError> {
    let length = FieldReader::new(stream, usize::MAX).length()?;
    body.clear();
    let read = stream.take(length as u64).read_to_end(body).map_err(FieldError::Source)?;
    if read == length { Ok(()) } else { Err(FieldError::End) }
}
