//! Batches that cost little to make. Records are encoded once, before the run; a batch of n records is the first n of them behind a fresh
//! header. Only marked records (`--sequence`) are written anew, and only compressed batches of a new size are compressed anew.

use std::collections::HashMap;

use barnabas_records::compression::{Compression, compress};
use barnabas_records::{Attributes, BATCH_HEADER_BYTES, BatchBuilder, BatchHeader, LENGTH_PREFIX_BYTES, NO_SEQUENCE};
use barnabas_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use bytes::Bytes;

use super::error::PerfError;
use super::partitioner::partition_of;
use super::payload::{Payload, Random};

/// What a marked value begins with, in bytes: a sign that it is one, which producer wrote it, its number in the partition; 8 bytes each,
/// big-endian.
pub const MARK_BYTES: usize = 24;
/// The sign.
const MARK: [u8; 8] = *b"perfmark";
/// The bytes of a key.
const KEY_BYTES: usize = 8;
/// Bytes that all encoded records, and all compressed ones, may take together.
const MEMORY_LIMIT_BYTES: usize = 512 << 20;
/// Different runs of records that unkeyed batches take turns with, as long as they are small.
const BODIES: usize = 8;
/// What those may take together before there are fewer.
const BODIES_BYTES: usize = 4 << 20;
/// Different keys of one partition.
const KEYS_OF_PARTITION: usize = 16;

/// Where a record of a body ends, and the bytes of values up to there.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    encoded: usize,
    values: usize,
}

/// Encoded records in a row.
#[derive(Debug)]
struct Body {
    records: Bytes,
    /// By record.
    ends: Vec<End>,
    /// Compressed, by record count.
    compressed: HashMap<u32, Bytes>,
}

/// What is different in every batch.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The records' time, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The idempotent producer's id, epoch and first sequence.
    pub producer: Option<(i64, i16, i32)>,
    /// The producer and the first record's number, for marked values.
    pub mark: Option<(u64, u64)>,
}

/// A batch, ready to be sent.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its header.
    pub header: [u8; BATCH_HEADER_BYTES],
    /// Its records.
    pub records: Bytes,
}

/// How bodies are made.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Where values come from.
    pub payload: Payload,
    /// `batch.size`: bytes of a batch at most, header included; a single record may be larger.
    pub batch_bytes: usize,
    /// `compression.type`.
    pub compression: Compression,
    /// Whether records have keys; then there is a body for each of this many partitions.
    pub keyed_partitions: Option<usize>,
    /// For payloads and keys.
    pub seed: u64,
}

/// All bodies of a run.
#[derive(Debug)]
pub struct Batches {
    bodies: Vec<Body>,
    compression: Compression,
    keyed: bool,
    compressed_bytes: usize,
}

impl Batches {
    /// Encodes the records.
    ///
    /// # Errors
    /// [`PerfError::Argument`] when they would take too much memory, [`PerfError::Build`].
    pub fn prepare(recipe: &Recipe) -> Result<Self, PerfError> {
        let mut random = Random(recipe.seed);
        let keys = recipe.keyed_partitions.map(|partitions| keys(partitions, &mut random));
        let count = match &keys {
            Some(keys) => keys.len(),
            None => (BODIES_BYTES / recipe.batch_bytes.max(1)).clamp(1, BODIES),
        };
        if count.saturating_mul(recipe.batch_bytes) > MEMORY_LIMIT_BYTES {
            let reason = format!(
                "with {count} different batches prepared, it may be at most {}",
                MEMORY_LIMIT_BYTES / count.max(1)
            );
            return Err(PerfError::argument("--batch-size", recipe.batch_bytes, reason));
        }
        let body = |index: usize| {
            let keys = keys.as_ref().and_then(|keys| keys.get(index));
            Body::encode(recipe, keys.map_or(&[], Vec::as_slice), &mut random)
        };
        let bodies = (0..count).map(body).collect::<Result<_, _>>()?;
        Ok(Self { bodies, compression: recipe.compression, keyed: keys.is_some(), compressed_bytes: 0 })
    }

    /// The body of the `turn`th batch to a partition: the partition's own for keyed records, else in turns.
    pub fn body_index(&self, partition: usize, turn: usize) -> usize {
        let number = if self.keyed { partition } else { turn };
        number.checked_rem(self.bodies.len()).unwrap_or(0)
    }

    /// How many records the largest batch of body `index` has, 1 or more.
    pub fn full_count(&self, index: usize) -> u32 {
        self.bodies.get(index).map_or(1, |body| body.ends.len() as u32)
    }

    /// Bytes of the values of the first `count` records of body `index`.
    pub fn value_bytes(&self, index: usize, count: u32) -> usize {
        self.bodies.get(index).map_or(0, |body| body.end(count).values)
    }

    /// A batch of the first `count` records of body `index`.
    ///
    /// # Errors
    /// [`PerfError::Compress`].
    pub fn batch(&mut self, index: usize, count: u32, stamp: &Stamp) -> Result<Batch, PerfError> {
        let compression = self.compression;
        let Some(body) = self.bodies.get_mut(index) else {
            return Err(barnabas_records::BuildError::Empty.into());
        };
        let records = match (stamp.mark, compression) {
            (Some(mark), Compression::None) => Bytes::from(body.marked(count, mark)),
            (Some(mark), compression) => Bytes::from(compress(compression, &body.marked(count, mark))?),
            (None, Compression::None) => body.first(count),
            (None, compression) => match body.compressed.get(&count) {
                Some(records) => records.clone(),
                None => {
                    let records = Bytes::from(compress(compression, &body.first(count))?);
                    // Beyond the limit a batch is compressed every time: slower, but bounded.
                    if self.compressed_bytes < MEMORY_LIMIT_BYTES {
                        self.compressed_bytes += records.len();
                        body.compressed.insert(count, records.clone());
                    }
                    records
                }
            },
        };
        Ok(Batch { header: header(compression, count, stamp, &records), records })
    }
}

fn header(compression: Compression, count: u32, stamp: &Stamp, records: &[u8]) -> [u8; BATCH_HEADER_BYTES] {
    let (producer_id, producer_epoch, base_sequence) = stamp.producer.unwrap_or((-1, -1, NO_SEQUENCE));
    let record_count = count.cast_signed();
    let mut header = BatchHeader {
        base_offset: Offset(0),
        // Bodies end at 512 MiB, far below what an i32 can say.
        batch_length: (BATCH_HEADER_BYTES - LENGTH_PREFIX_BYTES + records.len()) as i32,
        partition_leader_epoch: LeaderEpoch::NONE,
        crc: 0,
        attributes: Attributes::default().with_codec(compression.codec()),
        last_offset_delta: record_count - 1,
        base_timestamp: Timestamp(stamp.timestamp_ms),
        max_timestamp: Timestamp(stamp.timestamp_ms),
        producer_id: ProducerId(producer_id),
        producer_epoch: ProducerEpoch(producer_epoch),
        base_sequence,
        record_count,
    };
    header.refresh_crc(records);
    header.encode()
}

impl Body {
    fn encode(recipe: &Recipe, keys: &[[u8; KEY_BYTES]], random: &mut Random) -> Result<Self, PerfError> {
        let mut builder = BatchBuilder::new(Offset(0), Compression::None);
        let mut ends: Vec<End> = Vec::new();
        let mut value = Vec::new();
        let mut keys = keys.iter().cycle();
        loop {
            recipe.payload.fill(random, &mut value);
            builder.append(Timestamp(0), keys.next().map(<[u8; KEY_BYTES]>::as_slice), Some(&value), &[])?;
            if builder.size_bytes() > recipe.batch_bytes && !ends.is_empty() {
                // One record too many was encoded; no end leads past it.
                break;
            }
            let values = ends.last().map_or(0, |end| end.values) + value.len();
            ends.push(End { encoded: builder.size_bytes() - BATCH_HEADER_BYTES, values });
        }
        let records = Bytes::from(builder.build()?).slice(BATCH_HEADER_BYTES..);
        Ok(Self { records, ends, compressed: HashMap::new() })
    }

    /// Where the first `count` records end; the end of all where there are fewer.
    fn end(&self, count: u32) -> End {
        let last = (count as usize).min(self.ends.len()).checked_sub(1);
        last.and_then(|last| self.ends.get(last)).copied().unwrap_or_default()
    }

    fn first(&self, count: u32) -> Bytes {
        self.records.slice(..self.end(count).encoded)
    }

    /// A copy of the first `count` records whose values begin with their marks.
    fn marked(&self, count: u32, (producer, first): (u64, u64)) -> Vec<u8> {
        let mut records = self.first(count).to_vec();
        let mut values_before = 0;
        for (end, number) in self.ends.iter().take(count as usize).zip(first..) {
            let value_bytes = end.values - values_before;
            values_before = end.values;
            // A record without headers ends with its value and one byte, the number of headers.
            let from = end.encoded.saturating_sub(value_bytes + 1);
            if let Some(mark) = records.get_mut(from..).and_then(<[u8]>::first_chunk_mut::<MARK_BYTES>) {
                *mark = encode_mark(producer, number);
            }
        }
        records
    }
}

fn encode_mark(producer: u64, number: u64) -> [u8; MARK_BYTES] {
    let mut mark = [0; MARK_BYTES];
    let fields = [MARK, producer.to_be_bytes(), number.to_be_bytes()];
    for (place, field) in mark.as_chunks_mut::<8>().0.iter_mut().zip(fields) {
        *place = field;
    }
    mark
}

/// The producer and the number at the front of a marked value.
pub fn decode_mark(value: &[u8]) -> Option<(u64, u64)> {
    match value.as_chunks::<8>().0 {
        [MARK, producer, number, ..] => Some((u64::from_be_bytes(*producer), u64::from_be_bytes(*number))),
        _ => None,
    }
}

/// A few keys for each partition, such as Kafka's partitioner would send there.
fn keys(partitions: usize, random: &mut Random) -> Vec<Vec<[u8; KEY_BYTES]>> {
    let mut keys = vec![Vec::new(); partitions.max(1)];
    let mut missing = keys.len() * KEYS_OF_PARTITION;
    while missing > 0 {
        let key = random.next().to_be_bytes();
        let partition = partition_of(&key, keys.len());
        if let Some(keys) = keys.get_mut(partition).filter(|keys| keys.len() < KEYS_OF_PARTITION) {
            keys.push(key);
            missing -= 1;
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use barnabas_records::{BatchView, DecompressLimits, Records, single_batch};

    const STAMP: Stamp = Stamp { timestamp_ms: 1_700_000_000_000, producer: Some((7, 1, 40)), mark: None };

    fn recipe(compression: Compression) -> Recipe {
        let payload = Payload::Generated { size: 100, entropy: 0.5 };
        Recipe { payload, batch_bytes: 16_384, compression, keyed_partitions: None, seed: 1 }
    }

    fn whole(batch: &Batch) -> Vec<u8> {
        [batch.header.as_slice(), &batch.records].concat()
    }

    #[test]
    fn batches_of_every_size_and_codec_are_what_a_broker_accepts() {
        let all = [Compression::None, Compression::Gzip { level: 1 }, Compression::Snappy, Compression::Lz4];
        for compression in all.into_iter().chain([Compression::Zstd { level: 3 }]) {
            let mut batches = Batches::prepare(&recipe(compression)).unwrap();
            for count in [1, 2, 17, batches.full_count(0)] {
                for mark in [None, Some((3, 90))] {
                    let batch = batches.batch(0, count, &Stamp { mark, ..STAMP }).unwrap();
                    let bytes = whole(&batch);
                    let view = BatchView::parse(&bytes).unwrap();
                    view.check_crc().unwrap();
                    assert_eq!(view.bytes().len(), bytes.len());
                    let mut records = Records::new(&view, DecompressLimits::default()).unwrap();
                    let mut seen = 0_i32;
                    while let Some(record) = records.next().unwrap() {
                        assert_eq!((record.offset.0, record.value.map(<[u8]>::len)), (i64::from(seen), Some(100)));
                        if mark.is_some() {
                            assert_eq!(
                                decode_mark(record.value.unwrap()),
                                Some((3, 90 + u64::from(seen.unsigned_abs())))
                            );
                        }
                        seen += 1;
                    }
                    assert_eq!(seen, count.cast_signed(), "{compression:?}");
                }
            }
        }
    }

    #[test]
    fn the_broker_side_validation_takes_them() {
        let mut batches = Batches::prepare(&recipe(Compression::None)).unwrap();
        let bytes = whole(&batches.batch(1, 5, &STAMP).unwrap());
        let batch = single_batch(&bytes).unwrap();
        assert_eq!((batch.header().base_sequence, batch.header().last_sequence()), (40, 44));
    }

    #[test]
    fn a_batch_is_as_full_as_its_size_allows_and_never_empty() {
        let batches = Batches::prepare(&recipe(Compression::None)).unwrap();
        let full = batches.full_count(0);
        assert!((140..160).contains(&full), "{full}");
        assert_eq!(batches.value_bytes(0, full), full as usize * 100);
        let one = Batches::prepare(&Recipe { batch_bytes: 0, ..recipe(Compression::None) }).unwrap();
        assert_eq!(one.full_count(0), 1);
    }

    #[test]
    fn keyed_records_lie_in_the_partition_of_their_key() {
        let recipe = Recipe { keyed_partitions: Some(5), ..recipe(Compression::None) };
        let mut batches = Batches::prepare(&recipe).unwrap();
        for partition in 0..5 {
            let index = batches.body_index(partition, 99);
            let bytes = whole(&batches.batch(index, 20, &STAMP).unwrap());
            let view = BatchView::parse(&bytes).unwrap();
            let mut records = Records::new(&view, DecompressLimits::default()).unwrap();
            while let Some(record) = records.next().unwrap() {
                assert_eq!(partition_of(record.key.unwrap(), 5), partition);
            }
        }
    }

    #[test]
    fn too_many_bytes_are_refused_before_they_are_made() {
        let recipe = Recipe { keyed_partitions: Some(10_000), batch_bytes: 1 << 20, ..recipe(Compression::None) };
        let error = Batches::prepare(&recipe).unwrap_err().to_string();
        assert!(error.contains("--batch-size") && error.contains("at most 53687"), "{error}");
    }
}
