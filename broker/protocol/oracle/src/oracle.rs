//! The questions that are put to Kafka's classes about every message in every version, and the judgement of the answers: both sides read the same,
//! refuse the same, write the same bytes and say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use barnabas_protocol::VersionRange;
use barnabas_protocol::testing::{Random, Shape};

use crate::catalogue::{Entry, Recoded, entries};
use crate::exceptions::{self, Exception};
use crate::judge::{Judge, Question};

/// What is asked, and how much of it.
#[derive(clap::Args)]
pub struct Options {
    /// Class path of the JVM with the release that is the contract
    #[arg(long)]
    class_path: String,
    /// Class path of the JVM with the newest release, for the versions that only it has
    #[arg(long)]
    newest_class_path: String,
    /// The known differences from Kafka's schemas, of which the names of fields matter here
    #[arg(long)]
    exceptions: PathBuf,
    /// Messages for each message, version and direction
    #[arg(long, default_value_t = 50)]
    messages: u64,
    /// What all messages follow from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only messages whose names contain this
    #[arg(long, default_value = "")]
    only: String,
}

/// The kinds of value that are sent, in turn.
const SHAPES: [Shape; 5] = [Shape::Mixed, Shape::Extreme, Shape::Null, Shape::Sparse, Shape::Default];
/// Lines about differences before there is only a count.
const SHOWN: usize = 40;
/// A message is cut off at every byte up to here, and at as many places beyond.
const CUTS: usize = 24;

/// A question and what it is for.
struct Case<'a> {
    entry: &'a Entry,
    purpose: Purpose,
    question: Question,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    /// Our message, through Kafka.
    Ours,
    /// Kafka's message, through us.
    Kafkas,
    /// Our message, read in one version and written in another.
    OtherVersion,
    /// Our message, cut off.
    CutOff,
}

struct Tally {
    /// Fields that Kafka calls otherwise.
    renamed: Vec<Exception>,
    cases: BTreeMap<Purpose, u64>,
    refused: BTreeMap<Purpose, u64>,
    bytes: u64,
    differences: usize,
}

/// Runs the comparison; true when nothing differs.
pub fn run(options: &Options) -> Result<bool> {
    let entries = entries();
    let chosen: Vec<_> = entries.iter().filter(|entry| entry.name.contains(&options.only)).collect();
    let (mut contract, mut newest) = (Judge::start(&options.class_path)?, Judge::start(&options.newest_class_path)?);
    let exceptions = exceptions::read(&options.exceptions)?;
    let (absent, renamed): (Vec<_>, Vec<_>) = exceptions
        .into_iter()
        .filter(|known| matches!(known.aspect.as_str(), "name" | "structure"))
        .partition(|known| known.aspect == "structure");
    let mut tally = Tally::new(renamed);
    let known = contract.versions.clone();
    let of_contract = |entry: &Entry| known.get(entry.name).copied().unwrap_or(VersionRange::EMPTY);
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for entry in chosen {
        for version in entry.versions.min..=entry.versions.max {
            if of_contract(entry).contains(version) { &mut old } else { &mut new }.push((entry, version));
        }
    }
    let total = old.len() + new.len();
    if total == 0 {
        bail!("no message has a name with {:?} in it", options.only);
    }
    let mut progress = Progress::new(total as u64 * (options.messages * 2 + 20));
    for (judge, pairs) in [(&mut contract, &old), (&mut newest, &new)] {
        let known = judge.versions.clone();
        let cases =
            pairs.iter().flat_map(|&(entry, version)| cases(entry, version, known.get(entry.name).copied(), options));
        judge.ask(
            cases,
            |case| (case.entry.name, &case.question),
            |case, answer| {
                progress.step();
                tally.judge(&case, &answer);
                Ok(())
            },
        )?;
        // The newest release has the names that are ours.
        tally.renamed.clear();
    }
    for missing in unknown(&entries, &absent, &contract, &newest) {
        tally.differ(&missing);
    }
    tally.print(&old, &new, options);
    Ok(tally.differences == 0)
}

/// Messages that one side has and the other has not, or not in the same versions; less those that are `absent` on purpose.
fn unknown(entries: &[Entry], absent: &[Exception], contract: &Judge, newest: &Judge) -> Vec<String> {
    let mut kafkas = contract.versions.clone();
    kafkas.extend(newest.versions.clone());
    let mut found = Vec::new();
    for entry in entries {
        match kafkas.remove(entry.name) {
            None => found.push(format!("{}: Kafka has no such message", entry.name)),
            Some(versions) if versions != entry.versions => {
                found.push(format!("{}: versions {} are ours, {versions} Kafka's", entry.name, entry.versions));
            }
            Some(_) => {}
        }
    }
    let on_purpose = |name: &str| absent.iter().any(|known| known.message == name);
    let ours_lack = kafkas.into_iter().filter(|(name, versions)| !versions.is_empty() && !on_purpose(name));
    found.extend(ours_lack.map(|(name, _)| format!("{name}: Kafka has it and we have not")));
    found
}

/// All questions about `entry` in `version` to a JVM that knows the versions `known`.
fn cases<'a>(
    entry: &'a Entry,
    version: i16,
    known: Option<VersionRange>,
    options: &Options,
) -> impl Iterator<Item = Case<'a>> + Send + use<'a> {
    let (messages, base) = (options.messages, options.seed << 32 | u64::from(version.unsigned_abs()) << 24);
    let case = move |purpose, question| Case { entry, purpose, question };
    let sample = move |seed: u64, shape| entry.sample(&mut Random::shaped(seed, shape), version).ok();
    let shape =
        |number: u64| SHAPES.iter().cycle().nth(number as usize % SHAPES.len()).copied().unwrap_or(Shape::Mixed);
    let ours = (0..).filter_map(move |number| sample(base | number, shape(number))).take(messages as usize);
    let ours = ours.map(move |bytes| case(Purpose::Ours, Question::Recode { read: version, write: version, bytes }));
    let kafkas =
        (0..messages).map(move |number| case(Purpose::Kafkas, Question::Make { version, seed: base | number }));
    let versions = known.unwrap_or(entry.versions).intersect(entry.versions);
    let others = (0..messages / 5 + 1).filter_map(move |number| {
        let mut random = Random::new(base | number | 1 << 20);
        let write = versions.min + i16::try_from(random.below((versions.max - versions.min + 1) as u64)).ok()?;
        let bytes = sample(base | number | 1 << 21, Shape::Sparse)?;
        Some(case(Purpose::OtherVersion, Question::Recode { read: version, write, bytes }))
    });
    let whole = sample(base | 1 << 22, Shape::Mixed).unwrap_or_default();
    let step = whole.len() / CUTS + 1;
    let places = (0..whole.len()).filter(move |place| *place < CUTS || place % step == 0);
    let cut = places.map(move |place| {
        let bytes = whole.get(..place).unwrap_or_default().to_vec();
        case(Purpose::CutOff, Question::Recode { read: version, write: version, bytes })
    });
    ours.chain(kafkas).chain(others).chain(cut)
}

impl Tally {
    fn new(renamed: Vec<Exception>) -> Self {
        Self { renamed, cases: BTreeMap::new(), refused: BTreeMap::new(), bytes: 0, differences: 0 }
    }

    /// Kafka's JSON of `message` in our names.
    fn in_our_names(&self, message: &str, json: &str) -> String {
        let renamed = self.renamed.iter().filter(|known| known.message == message);
        renamed.fold(json.to_owned(), |json, known| {
            let ours = known.path.rsplit('.').next().unwrap_or_default();
            json.replace(&format!("\"{}\":", known.theirs), &format!("\"{ours}\":"))
        })
    }

    fn judge(&mut self, case: &Case<'_>, kafkas: &Recoded) {
        *self.cases.entry(case.purpose).or_default() += 1;
        let (what, ours) = match (&case.question, kafkas) {
            (Question::Recode { read, write, bytes }, _) => {
                self.bytes += bytes.len() as u64;
                let ours = case.entry.recode(bytes, *read, *write);
                if case.purpose == Purpose::Ours && !is_same_message(&ours, bytes) {
                    self.differ(&format!(
                        "{} version {read}: not read back as written: {}",
                        case.entry.name,
                        hex(bytes)
                    ));
                }
                (format!("version {read} to {write}, {}", hex(bytes)), ours)
            }
            (Question::Make { version, seed }, Recoded::Written { bytes, .. }) => {
                self.bytes += bytes.len() as u64;
                (
                    format!("version {version} of Kafka's, seed {seed}, {}", hex(bytes)),
                    case.entry.recode(bytes, *version, *version),
                )
            }
            (Question::Make { version, seed }, failed) => {
                return self
                    .differ(&format!("{}: Kafka made no version {version}, seed {seed}: {failed:?}", case.entry.name));
            }
        };
        if !matches!(kafkas, Recoded::Written { .. }) {
            *self.refused.entry(case.purpose).or_default() += 1;
        }
        if let Some(difference) = difference(&ours, kafkas, |json| self.in_our_names(case.entry.name, json)) {
            self.differ(&format!("{} {:?}: {difference}; {what}", case.entry.name, case.purpose));
        }
    }

    fn differ(&mut self, difference: &str) {
        self.differences += 1;
        if self.differences <= SHOWN {
            println!("{difference}");
        }
    }

    fn print(&self, old: &[(&Entry, i16)], new: &[(&Entry, i16)], options: &Options) {
        let names: BTreeSet<_> = old.iter().chain(new).map(|(entry, _)| entry.name).collect();
        let of = |counts: &BTreeMap<Purpose, u64>, purpose| counts.get(&purpose).copied().unwrap_or_default();
        println!(
            "messages and records  {}, in {} versions ({} only in the newest release)",
            names.len(),
            old.len() + new.len(),
            new.len()
        );
        println!("ours through Kafka    {}", of(&self.cases, Purpose::Ours));
        println!("Kafka's through ours  {}", of(&self.cases, Purpose::Kafkas));
        for (text, purpose) in [("other version", Purpose::OtherVersion), ("cut off", Purpose::CutOff)] {
            println!("{text:<21} {}, {} refused by both", of(&self.cases, purpose), of(&self.refused, purpose));
        }
        println!("bytes                 {}", self.bytes);
        println!("differences           {}, seed {}", self.differences, options.seed);
    }
}

fn is_same_message(recoded: &Recoded, original: &[u8]) -> bool {
    matches!(recoded, Recoded::Written { rest: 0, bytes, .. } if bytes == original)
}

/// What differs between our answer and Kafka's.
fn difference(ours: &Recoded, kafkas: &Recoded, in_our_names: impl Fn(&str) -> String) -> Option<String> {
    match (ours, kafkas) {
        (Recoded::Unread(_), Recoded::Unread(_)) => None,
        (Recoded::Unwritten { rest, .. }, Recoded::Unwritten { rest: theirs, .. }) if rest == theirs => None,
        (
            Recoded::Written { rest, bytes, json },
            Recoded::Written { rest: their_rest, bytes: their_bytes, json: their_json },
        ) => {
            if rest != their_rest {
                return Some(format!("we leave {rest} bytes, Kafka leaves {their_rest}"));
            }
            if bytes != their_bytes {
                return Some(format!("we write {}, Kafka writes {}", hex(bytes), hex(their_bytes)));
            }
            let same = json == their_json
                || parsed(json).is_some_and(|value| Some(value) == parsed(&in_our_names(their_json)));
            (!same).then(|| format!("we say {json}, Kafka says {their_json}"))
        }
        _ => Some(format!("ours: {}; Kafka's: {}", outcome(ours), outcome(kafkas))),
    }
}

fn parsed(json: &str) -> Option<serde_json::Value> {
    serde_json::from_str(json).ok()
}

fn outcome(recoded: &Recoded) -> String {
    match recoded {
        Recoded::Unread(reason) => format!("cannot be read: {reason}"),
        Recoded::Unwritten { reason, .. } => format!("cannot be written: {reason}"),
        Recoded::Written { bytes, .. } => format!("is written as {}", hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    let shown: String = bytes.iter().take(400).map(|byte| format!("{byte:02x}")).collect();
    if bytes.len() > 400 { format!("{shown}… ({} bytes)", bytes.len()) } else { shown }
}

/// Says on standard error how far it is, now and then.
struct Progress {
    done: u64,
    expected: u64,
    said: Instant,
}

impl Progress {
    fn new(expected: u64) -> Self {
        Self { done: 0, expected, said: Instant::now() }
    }

    fn step(&mut self) {
        self.done += 1;
        if self.said.elapsed() >= Duration::from_secs(5) {
            self.said = Instant::now();
            eprintln!("{} of about {} questions", self.done, self.expected.max(self.done));
        }
    }
}
