//! Directories cut at every byte and damaged at any: a log that opens serves what was written or nothing, keeps all that lies before
//! the damage, loses nothing silently that was synced, and is the same when it is opened again. Random damage is repeated by its seed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use barnabas_records::{BATCH_HEADER_BYTES, BatchView};
use barnabas_types::{BrokerId, LeaderEpoch, Offset, Timestamp, TopicPartition, Uuid};

use super::recovery::{Image, image, restore};
use crate::checkpoint::{self, Offsets};
use crate::fs::RealFs;
use crate::identity::{self, MetaProperties};
use crate::leader_epochs::{self, LeaderEpochs};
use crate::testing::{LogContext, Random, TestBatch, small_segments};
use crate::{LogConfig, OpenOptions, ReadLimits, TextFileError};

/// How many directories are damaged at random; `LOG_CUTS` says another number.
const MUTATIONS: u64 = 400;
/// What no CRC covers in a batch: its base offset and its leader epoch. A flip there is Kafka's format's to lose.
const UNCOVERED: [Range<usize>; 2] = [0..8, 12..16];

/// A directory as a broker left it.
struct Past {
    name: &'static str,
    context: LogContext,
    options: OpenOptions,
    files: Image,
    /// Base offset to bytes, of all batches.
    batches: BTreeMap<i64, Vec<u8>>,
    end: i64,
    /// Last sequence of each producer.
    producers: BTreeMap<i64, Option<i32>>,
    /// Producer, first offset and marker of each aborted transaction.
    aborted: Aborted,
}

type Aborted = Vec<(i64, i64, i64)>;

/// What was done to a directory.
#[derive(Clone, Debug, Default)]
struct Damage {
    text: Vec<String>,
    /// The first batch of which a byte is not what it was; none when all batches are whole.
    first_batch: Option<i64>,
    /// Bytes that no CRC covers were changed.
    uncovered: bool,
    /// Whole batches are missing, with nothing in their place.
    missing: bool,
    /// The file of epochs was changed, in which nothing tells a wrong number from a right one.
    epochs: bool,
    /// A transaction index was changed, in which a whole entry can be missing or another one.
    transactions: bool,
}

/// What a reader makes of one batch that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Whole,
    /// Its CRC tells the reader.
    BadCrc,
    /// The log tells the reader.
    Refused,
    /// Not there, as the log says of itself.
    Beyond,
    /// Under another offset or in another epoch, which nothing tells.
    Altered,
    /// The batch after it came in its place, as in a log that was compacted.
    Skipped,
}

/// What opening a directory and reading it gave.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    start: i64,
    end: i64,
    missing_records: i64,
    read: Vec<(i64, Read)>,
    producers: BTreeMap<i64, Option<i32>>,
    aborted: Aborted,
}

#[derive(Debug, Default)]
struct Tally {
    damaged: u64,
    refused: u64,
    cut: u64,
    withheld: u64,
    bad_crc: u64,
    altered: u64,
    skipped: u64,
    misled: u64,
    whole: u64,
}

impl Damage {
    fn found_at(&mut self, base: i64) {
        self.first_batch = Some(self.first_batch.map_or(base, |first| first.min(base)));
    }
}

impl Past {
    /// Takes the picture of a log that was stopped; `recovery_point` as its checkpoint says.
    fn of(name: &'static str, mut context: LogContext, clean: bool, recovery_point: Option<i64>) -> Self {
        let end = context.log().log_end().0;
        if clean {
            context.close();
        } else {
            context.kill();
        }
        if let Some(point) = recovery_point {
            context.options.recovery_point = Offset(point);
        }
        let files = image(&context.options.directory);
        let options = context.options.clone();
        let logs = files.iter().filter(|(name, _)| name.ends_with(".log"));
        let batches =
            logs.flat_map(|(_, bytes)| barnabas_records::batches(bytes).map_while(Result::ok).collect::<Vec<_>>());
        let batches = batches.map(|batch| (batch.header().base_offset.0, batch.bytes().to_vec())).collect();
        context.open().unwrap();
        let (producers, aborted) = (producers(&mut context), aborted(&mut context));
        context.kill();
        Self { name, context, options, files, batches, end, producers, aborted }
    }

    fn all() -> Vec<Self> {
        let config = LogConfig { retention_ms: -1, index_interval_bytes: 100, ..small_segments() };
        let filled = |config| {
            let mut context = LogContext::new(config);
            fill(&mut context, 48);
            context
        };
        let mut padded = LogContext::new(LogConfig { segment_bytes: 100_000, ..config });
        for _ in 0..6 {
            fill(&mut padded, 30);
            padded.log().flush().unwrap();
            fill(&mut padded, 1);
            padded.log().flush().unwrap();
        }
        vec![
            Self::of("closed", filled(config), true, None),
            Self::of("killed", filled(config), false, Some(30)),
            Self::of("killed before any sync", filled(config), false, Some(0)),
            Self::of("killed with zeros ahead", padded, false, Some(100)),
            Self::of("with transactions, closed", with_transactions(config), true, None),
            Self::of("with transactions, killed", with_transactions(config), false, Some(40)),
            Self::of("compacted, closed", with_gaps(LogConfig { compact: true, ..config }), true, None),
            Self::of("compacted, killed", with_gaps(LogConfig { compact: true, ..config }), false, Some(71)),
        ]
    }

    fn last_log(&self) -> &str {
        self.files.keys().rfind(|name| name.ends_with(".log")).unwrap()
    }

    /// Where the batches of a log file lie, with their base offsets.
    fn places(&self, name: &str) -> Vec<(i64, Range<usize>)> {
        let mut at = 0;
        let batches = barnabas_records::batches(&self.files[name]).map_while(Result::ok);
        batches
            .map(|batch| {
                let place = at..at + batch.bytes().len();
                at = place.end;
                (batch.header().base_offset.0, place)
            })
            .collect()
    }

    /// Notes what it means that `name` now holds `bytes`.
    fn note(&self, damage: &mut Damage, name: &str, bytes: &[u8]) {
        let original = &self.files[name];
        damage.epochs |= name.contains("leader-epoch");
        damage.transactions |= name.ends_with(".txnindex");
        if !name.ends_with(".log") {
            return;
        }
        for (base, place) in self.places(name) {
            if bytes.get(place.clone()) == Some(&original[place.clone()]) {
                continue;
            }
            damage.found_at(base);
            damage.missing |= bytes.len() <= place.start;
            damage.uncovered |= UNCOVERED.iter().any(|header| {
                let header = place.start + header.start..place.start + header.end;
                bytes.get(header.clone()).is_some_and(|bytes| *bytes != original[header])
            });
        }
        // What follows the batches of a segment stands in front of the next one's.
        let next =
            self.files.range(name.to_owned()..).skip(1).map(|(name, _)| name).find(|name| name.ends_with(".log"));
        if let Some(next) = next.filter(|_| bytes.len() > original.len()) {
            self.places(next).first().into_iter().for_each(|(base, _)| damage.found_at(*base));
        }
    }

    /// Puts the damaged directory in place, opens and reads it as often as it takes, and judges what is seen.
    fn judge(&mut self, files: &Image, damage: &Damage, tally: &mut Tally) {
        restore(&self.options.directory, files);
        tally.damaged += 1;
        let first = self.attempt(self.options.clean);
        if let Err(error) = &first {
            let logs = |files: &Image| -> Image {
                files
                    .iter()
                    .filter(|(name, bytes)| name.ends_with(".log") && !bytes.is_empty())
                    .map(|(name, bytes)| (name.clone(), bytes.clone()))
                    .collect()
            };
            assert_eq!(logs(&image(&self.options.directory)), logs(files), "refused and changed all the same: {error}");
        }
        // A broker that came up and died has no sign of a clean stop, but what it knew to be synced it still knows.
        let second = self.attempt(false);
        let third = self.attempt(false);
        assert_eq!(second, third, "another start sees something else");
        match (&first, &second) {
            (Ok(first), Ok(second)) => {
                assert!(damage.uncovered || first.serves_no_less_than(second), "{first:?} then {second:?}")
            }
            (Err(_), Ok(_)) => panic!("refused once, then opened"),
            (Ok(_), Err(_)) => assert!(self.options.clean, "opened once, then refused"),
            (Err(_), Err(_)) => {}
        }
        for seen in [&first, &second] {
            self.judge_one(seen, damage);
        }
        tally.count(&first, self, damage);
    }

    fn attempt(&mut self, clean: bool) -> Result<Seen, String> {
        self.context.options = OpenOptions { clean, ..self.options.clone() };
        let recovery = self.context.open().map_err(|error| error.to_string())?;
        let read =
            self.batches.keys().map(|base| (*base, read_one(&mut self.context, *base, &self.batches[base]))).collect();
        let (producers, aborted) = (producers(&mut self.context), aborted(&mut self.context));
        let log = self.context.log();
        let (start, end) = (log.log_start().0, log.log_end().0);
        self.context.kill();
        Ok(Seen { start, end, missing_records: recovery.missing_records, read, producers, aborted })
    }

    fn judge_one(&self, seen: &Result<Seen, String>, damage: &Damage) {
        let point = self.options.recovery_point.0;
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => {
                let synced = damage.first_batch.is_some_and(|base| base < point);
                // A base offset that was changed may stand below the recovery point.
                assert!(synced || damage.epochs || damage.uncovered, "refused without need: {error}");
                return;
            }
        };
        for (base, read) in &seen.read {
            let before = damage.first_batch.is_none_or(|first| *base < first);
            assert!(!before || *read == Read::Whole, "{base}, before all damage, is {read:?}");
            assert!(*read != Read::Altered || damage.uncovered, "{base} is not what was written");
            assert!(*read != Read::Skipped || damage.uncovered || damage.missing, "{base} is passed over");
            let told = *read != Read::Beyond || seen.missing_records > 0;
            assert!(*base >= point || told, "{base} was synced and is silently gone");
        }
        let whole = damage.first_batch.is_none();
        // Without a batch, or with a damaged one that is not served, what a later marker ends may begin elsewhere.
        let unsure = damage.transactions || damage.uncovered || damage.missing;
        let later = |marker: i64| damage.first_batch.is_some_and(|damaged| marker > damaged);
        let told = unsure || seen.aborted.iter().all(|one| self.aborted.contains(one) || later(one.2));
        assert!(
            told && (!whole || damage.transactions || seen.aborted == self.aborted),
            "{:?} are aborted",
            seen.aborted
        );
        assert!(
            !whole || (seen.end == self.end && seen.producers == self.producers),
            "nothing but hints was damaged: {seen:?}"
        );
    }

    /// The log takes records after all, closes, and holds them after a clean start.
    fn judge_future(&mut self) {
        self.context.options = self.options.clone();
        if self.context.open().is_err() {
            return;
        }
        let (start, end) = (self.context.log().log_start(), self.context.log().log_end());
        for _ in 0..3 {
            let appended = self.context.append(&TestBatch { epoch: 1000, ..TestBatch::default() }).unwrap();
            assert_eq!(appended.last_offset.plus(1), self.context.log().log_end());
        }
        self.context.close();
        assert_eq!(self.context.open().unwrap().scanned_segments, 0);
        assert_eq!((self.context.log().log_start(), self.context.log().log_end()), (start, end.plus(3)));
        let bytes = TestBatch { epoch: 1000, base_offset: end.0 + 2, ..TestBatch::default() }.build();
        assert_eq!(read_one(&mut self.context, end.0 + 2, &bytes), Read::Whole);
        self.context.kill();
    }
}

impl Seen {
    /// A start that scans may find more damage; it never serves what an earlier one did not.
    fn serves_no_less_than(&self, later: &Self) -> bool {
        let whole = |seen: &Self| -> Vec<i64> {
            seen.read.iter().filter(|(_, read)| *read == Read::Whole).map(|(base, _)| *base).collect()
        };
        self.start <= later.start && self.end >= later.end && whole(self) == whole(later)
    }
}

impl Tally {
    fn count(&mut self, seen: &Result<Seen, String>, past: &Past, damage: &Damage) {
        let Ok(seen) = seen else {
            self.refused += 1;
            return;
        };
        self.cut += u64::from(seen.end < past.end);
        let reads = |wanted: Read| seen.read.iter().filter(|(_, read)| *read == wanted).count() as u64;
        self.bad_crc += u64::from(reads(Read::BadCrc) > 0);
        self.withheld += u64::from(reads(Read::Refused) > 0);
        self.altered += u64::from(reads(Read::Altered) > 0);
        self.skipped += u64::from(reads(Read::Skipped) > 0);
        self.misled += u64::from(damage.first_batch.is_none() && seen.aborted != past.aborted);
        self.whole += u64::from(seen.end == past.end && reads(Read::Whole) == seen.read.len() as u64);
    }

    fn told(&self) -> String {
        let Self { damaged, refused, cut, withheld, bad_crc, altered, skipped, misled, whole } = self;
        format!(
            "{damaged} directories: {whole} served whole, {cut} ended earlier, {refused} refused; damaged batches refused by the log in \
             {withheld}, left to their CRC in {bad_crc}, altered where no CRC covers them in {altered}, missing between others in {skipped}; aborted transactions otherwise in {misled}"
        )
    }
}

/// Batches of several sizes, epochs and producers, some without one.
fn fill(context: &mut LogContext, count: i64) {
    for _ in 0..count {
        let end = context.log().log_end().0;
        let known = context.log().producers().producer(barnabas_types::ProducerId(end % 3));
        let sequence = known.and_then(|entry| entry.last_batch()).map_or(0, |batch| batch.last_sequence + 1);
        let producer = (end % 4 != 3).then_some((end % 3, 0, sequence));
        let values = vec!["x".repeat((end * 37 % 90) as usize); 1 + (end % 2) as usize];
        let epoch = i32::try_from(end / 17).unwrap();
        context
            .append(&TestBatch { values, producer, epoch, timestamp: 1000 + end * 10, ..TestBatch::default() })
            .unwrap();
    }
}

/// As compaction leaves a log: most offsets are gone.
fn with_gaps(config: LogConfig) -> LogContext {
    let mut context = LogContext::new(config);
    for number in 0..40 {
        let batch = TestBatch {
            values: vec!["y".repeat((number * 29 % 80) as usize)],
            base_offset: number * number / 8 + number,
            timestamp: 1000 * number,
            ..TestBatch::default()
        };
        context.log().append_as_follower(&batch.build(), Timestamp(0)).unwrap();
    }
    context
}

/// Transactions of two producers, some aborted, with other batches between.
fn with_transactions(config: LogConfig) -> LogContext {
    let mut context = LogContext::new(config);
    let mut sequences = [0; 2];
    for number in 0..30_i64 {
        let producer = usize::try_from(number % 2).unwrap();
        let batch = TestBatch {
            values: vec!["z".repeat((number * 31 % 70) as usize)],
            producer: Some((20 + number % 2, 0, sequences[producer])),
            transactional: true,
            timestamp: 1000 + number,
            ..TestBatch::default()
        };
        context.append(&batch).unwrap();
        sequences[producer] += 1;
        if number % 3 == 2 {
            context.end_transaction(20 + number % 2, 0, number % 4 < 3).unwrap();
        }
    }
    context
}

/// As far as they are told; none when the index cannot be read.
fn aborted(context: &mut LogContext) -> Aborted {
    let (start, end) = (context.log().log_start(), context.log().log_end());
    let found = context.log().prepare_all_aborted(start, end).run().ok().flatten().unwrap_or_default();
    found.iter().map(|one| (one.producer_id.0, one.first_offset.0, one.last_offset.0)).collect()
}

fn producers(context: &mut LogContext) -> BTreeMap<i64, Option<i32>> {
    let known = context.log().producers().producers();
    known.map(|(id, entry)| (id.0, entry.last_batch().map(|batch| batch.last_sequence))).collect()
}

/// What a reader gets who asks for the batch at `base`, which was written as `bytes`, by itself and as part of a large read before it.
fn read_one(context: &mut LogContext, base: i64, bytes: &[u8]) -> Read {
    let (start, end) = (context.log().log_start(), context.log().log_end());
    let last = BatchView::parse(bytes).unwrap().header().last_offset();
    if Offset(base) >= end || last < start {
        return Read::Beyond;
    }
    let limits = ReadLimits { end, max_bytes: 1, at_least_one_batch: true };
    let region = match context.log().read(Offset(base).max(start), limits) {
        Ok(Some(region)) => region,
        Ok(None) => return Read::Beyond,
        Err(_) => return Read::Refused,
    };
    let got = region.bytes().unwrap();
    let Ok(batch) = BatchView::parse(&got) else {
        return Read::BadCrc;
    };
    if batch.check_crc().is_err() {
        Read::BadCrc
    } else if batch.bytes() == bytes {
        Read::Whole
    } else if batch.header().base_offset > last {
        Read::Skipped
    } else {
        Read::Altered
    }
}

/// One random damage to one file of `files`; at most `BATCH_HEADER_BYTES` bytes of it, unless it is a cut.
fn damage_one(random: &mut Random, files: &mut Image, damage: &mut Damage) {
    let name = files.keys().nth(random.below(files.len() as u64) as usize).unwrap().clone();
    let mut bytes = files[&name].clone();
    let at = random.below(bytes.len().max(1) as u64) as usize;
    let kind = random.below(16);
    match kind {
        _ if bytes.is_empty() => bytes.push(random.below(256) as u8),
        0 => bytes.truncate(at),
        1 => bytes.extend((0..=random.below(100)).map(|number| (number * 37) as u8)),
        // The extremes, where sums overflow.
        2 => bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte = 0xff),
        3 => bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte = 0x7f),
        // A sector that was never written.
        4 => bytes.iter_mut().skip(at / 512 * 512).take(512).for_each(|byte| *byte = 0),
        5 => bytes.iter_mut().skip(at).take(BATCH_HEADER_BYTES).for_each(|byte| *byte = random.below(256) as u8),
        _ => bytes[at] ^= 1 << random.below(8),
    }
    damage.text.push(format!("{name}: kind {kind} at {at} of {}", files[&name].len()));
    files.insert(name, bytes);
}

fn mutations() -> u64 {
    std::env::var("LOG_CUTS").ok().and_then(|count| count.parse().ok()).unwrap_or(MUTATIONS)
}

#[test]
fn a_directory_damaged_at_random_is_served_as_it_was_written_or_not_at_all() {
    let mut pasts = Past::all();
    let mut tally = Tally::default();
    let first = Random::new().seed();
    for seed in (0..mutations()).map(|number| first.wrapping_add(number.wrapping_mul(2))) {
        let mut random = Random::from_seed(seed);
        let which = random.below(pasts.len() as u64) as usize;
        let past = &mut pasts[which];
        let mut files = past.files.clone();
        let mut damage = Damage::default();
        for _ in 0..=random.below(2) {
            damage_one(&mut random, &mut files, &mut damage);
        }
        for (name, bytes) in files.iter().filter(|(name, bytes)| past.files[*name] != **bytes) {
            past.note(&mut damage, name, bytes);
        }
        let future = random.below(8) == 0;
        let judged = catch_unwind(AssertUnwindSafe(|| {
            past.judge(&files, &damage, &mut tally);
            if future && !damage.uncovered {
                past.judge_future();
            }
        }));
        if let Err(panic) = judged {
            println!("SEED={seed} LOG_CUTS=1 repeats this: {}, {}", past.name, damage.text.join("; "));
            resume_unwind(panic);
        }
    }
    println!("log-mutations: {} pasts, {}", pasts.len(), tally.told());
    let seen = tally.refused.min(tally.cut).min(tally.whole) > 0;
    assert!(seen || mutations() < MUTATIONS, "one kind of outcome never came up: {tally:?}");
}

#[test]
fn a_directory_with_any_file_cut_at_any_byte_or_gone_keeps_what_lies_before_the_cut() {
    let mut tally = Tally::default();
    let mut cut_files = 0;
    // Ordinarily a sample: a prime, so that headers and records, whole entries and parts of them are cut.
    let step = if mutations() == MUTATIONS { 11 } else { 1 };
    for past in &mut Past::all() {
        let names: Vec<String> = past.files.keys().cloned().collect();
        for name in names {
            let length = past.files[&name].len();
            let from = if name == past.last_log() { third_last(past) } else { 0 };
            let sealed = name.ends_with(".log") && name != past.last_log();
            cut_files += 1;
            // A segment that is gone from among others leaves what compaction may leave.
            for kept in (from..length).step_by(step).map(Some).chain((!sealed).then_some(None)) {
                let mut files = past.files.clone();
                let mut damage = Damage { text: vec![format!("{name} cut at {kept:?}")], ..Damage::default() };
                match kept {
                    Some(kept) => _ = files.insert(name.clone(), past.files[&name][..kept].to_vec()),
                    None => _ = files.remove(&name),
                }
                past.note(&mut damage, &name, files.get(&name).map_or(&[], Vec::as_slice));
                let judged = catch_unwind(AssertUnwindSafe(|| past.judge(&files, &damage, &mut tally)));
                if let Err(panic) = judged {
                    println!("{}: {}", past.name, damage.text.join("; "));
                    resume_unwind(panic);
                }
            }
        }
    }
    println!("log-cuts: {cut_files} files, {}", tally.told());
}

/// Where the third last batch of the last segment begins.
fn third_last(past: &Past) -> usize {
    let places = past.places(past.last_log());
    places.iter().rev().nth(2).map_or(0, |(_, place)| place.start)
}

/// What a text file says.
type Reader<'a> = &'a dyn Fn() -> Result<String, TextFileError>;

/// Kafka's text files carry no checksum. What can be told is whether their end is there.
#[test]
fn a_text_file_cut_at_any_byte_is_refused_or_says_the_same() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path();
    let offsets: Offsets = (0..12)
        .map(|number| (TopicPartition::new("topic", number), Offset(100_000 + 37 * i64::from(number))))
        .collect();
    let meta = MetaProperties {
        cluster_id: "4L6g3nShT-eMCtK--X86sw".into(),
        node_id: Some(BrokerId(1234)),
        directory_id: Some(Uuid::from_u128(77)),
    };
    checkpoint::write(&RealFs, &directory.join(checkpoint::RECOVERY_POINT), &offsets).unwrap();
    meta.write(&RealFs, directory).unwrap();
    identity::write_topic_id(&RealFs, directory, Uuid::from_u128(78)).unwrap();
    let mut epochs = LeaderEpochs::load(&RealFs, directory).unwrap();
    for epoch in 0..9 {
        epochs.assign(&RealFs, directory, LeaderEpoch(epoch), Offset(1000 * i64::from(epoch))).unwrap();
    }
    let reads: [(&str, Reader<'_>); 4] = [
        (checkpoint::RECOVERY_POINT, &|| {
            Ok(format!("{:?}", checkpoint::read(&RealFs, &directory.join(checkpoint::RECOVERY_POINT))?))
        }),
        (identity::META_PROPERTIES, &|| Ok(format!("{:?}", MetaProperties::read(&RealFs, directory)?))),
        (identity::PARTITION_METADATA, &|| Ok(format!("{:?}", identity::read_topic_id(&RealFs, directory)?))),
        (leader_epochs::FILE_NAME, &|| Ok(format!("{:?}", LeaderEpochs::load(&RealFs, directory)?.entries()))),
    ];
    let mut cuts = 0;
    for (name, read) in reads {
        let (path, whole) = (directory.join(name), read().unwrap());
        let bytes = std::fs::read(&path).unwrap();
        for kept in 0..bytes.len() {
            std::fs::write(&path, &bytes[..kept]).unwrap();
            // Kafka makes checkpoints empty, and before 3.7 it gave directories no id: what is cut to that is a sound file.
            let sound = kept == 0 || name == identity::META_PROPERTIES && bytes[..kept].ends_with(b"sw\n");
            match read() {
                Ok(read) => assert!(read == whole || sound, "{name} cut at {kept}: {read}"),
                Err(error) => assert!(error.to_string().contains(name), "{error}"),
            }
            cuts += 1;
        }
        std::fs::write(&path, &bytes).unwrap();
    }
    println!("log-text-cuts: {cuts} cuts of 4 kinds of file, each refused or without a change");
}
