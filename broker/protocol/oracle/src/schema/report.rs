//! The schema test: every schema against our structures, less the exceptions that are written down, then the same with schemas made wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use barnabas_protocol::testing::Random;
use barnabas_protocol::{ApiKey, VersionRange};
use serde_json::Value;

use super::alter::{ALL, alter};
use super::compare::{Comparison, Count, Release};
use super::read::{File, parse};
use crate::catalogue::{Entry, entries};
use crate::exceptions::{self, Exception};

/// What is compared, and how often schemas are altered.
#[derive(clap::Args)]
pub struct Options {
    /// Directory with the schemas of the contract, *.json in a directory for each jar
    #[arg(long)]
    schemas: PathBuf,
    /// Directory with the schemas of the newest release, likewise
    #[arg(long)]
    newest_schemas: PathBuf,
    /// The known differences: message, path, aspect, Kafka's, reason, separated by tabs
    #[arg(long)]
    exceptions: PathBuf,
    /// How many schemas are altered to see whether it is noticed
    #[arg(long, default_value_t = 300)]
    alterations: u64,
    /// What is altered where follows from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

struct Test {
    entries: BTreeMap<&'static str, Entry>,
    exceptions: Vec<Exception>,
    /// Those that something matched.
    used: BTreeSet<usize>,
    met: BTreeSet<&'static str>,
    /// The versions of each API's request.
    requests: BTreeMap<(i16, Release), VersionRange>,
    count: Count,
}

/// What the comparison of one schema says.
#[derive(PartialEq, Eq, Default)]
struct Verdict {
    /// The differences that are not known.
    differences: Vec<String>,
    /// The known ones, by their place in the table.
    known: BTreeSet<usize>,
}

/// Runs the test; true when nothing differs and every alteration is noticed.
pub fn run(options: &Options) -> Result<bool> {
    let mut test = Test {
        entries: entries().into_iter().map(|entry| (entry.name, entry)).collect(),
        exceptions: exceptions::read(&options.exceptions)?,
        used: BTreeSet::new(),
        met: BTreeSet::new(),
        requests: BTreeMap::new(),
        count: Count::default(),
    };
    let newest = schemas(&options.newest_schemas)?;
    let contract = schemas(&options.schemas)?;
    let newest_names: BTreeSet<_> = newest.iter().map(|(name, _)| name.clone()).collect();
    let mut sources = Vec::new();
    sources.extend(newest.into_iter().map(|(name, schema)| (name, schema, Release::Newest)));
    sources.extend(contract.into_iter().map(|(name, schema)| {
        let release = if newest_names.contains(&name) { Release::Earlier } else { Release::Newest };
        (name, schema, release)
    }));
    for (_, schema, release) in &sources {
        let file = File::new(schema)?;
        if let (Some(key), "request") = (file.api_key, file.role.as_str()) {
            test.requests.insert((key, *release), file.valid);
        }
    }
    let mut differences = Vec::new();
    for (name, schema, release) in &sources {
        let verdict = test.compare(name, schema, *release)?;
        differences.extend(verdict.differences);
        test.used.extend(verdict.known);
    }
    differences.extend(test.leftovers());
    for difference in &differences {
        println!("{difference}");
    }
    println!("schemas      {} compared, {} known differences", sources.len(), test.exceptions.len());
    println!("structures   {}", test.count.structures);
    println!("fields       {}", test.count.fields);
    println!("differences  {}", differences.len());
    let noticed = test.alter(&sources, options)?;
    Ok(differences.is_empty() && noticed)
}

impl Test {
    /// Compares one schema.
    fn compare(&mut self, name: &str, schema: &Value, release: Release) -> Result<Verdict> {
        let file = File::new(schema).with_context(|| format!("in schema {name}"))?;
        let Some((&met, entry)) = self.entries.get_key_value(file.schema.name.as_str()) else {
            return Ok(self.without_structure(&file));
        };
        self.met.insert(met);
        let request = file.api_key.and_then(|key| self.requests.get(&(key, release)).copied());
        let comparison = Comparison::of(entry, &file, release, request);
        self.count.structures += comparison.count.structures;
        self.count.fields += comparison.count.fields;
        let mut verdict = Verdict::default();
        for difference in comparison.differences {
            match self.exceptions.iter().position(|exception| exception.covers(&difference, release)) {
                Some(known) => _ = verdict.known.insert(known),
                None => verdict.differences.push(difference.to_string()),
            }
        }
        Ok(verdict)
    }

    /// What is wrong with a schema of which we have no structure; nothing when it is of an API that Kafka has removed.
    fn without_structure(&self, file: &File) -> Verdict {
        let name = &file.schema.name;
        let known = self.exceptions.iter().position(|known| known.message == *name && known.aspect == "structure");
        let removed = file.api_key.and_then(ApiKey::from_number).is_some_and(|key| key.versions().is_empty());
        let difference = match known {
            _ if file.valid.is_empty() && removed => None,
            _ if file.valid.is_empty() => {
                Some(format!("{name}: no longer in Kafka, but not in the table of APIs as removed"))
            }
            Some(_) => None,
            None => Some(format!("{name}: no structure of ours")),
        };
        Verdict { differences: difference.into_iter().collect(), known: known.into_iter().collect() }
    }

    /// Structures without a schema, and exceptions that nothing needs.
    fn leftovers(&self) -> Vec<String> {
        let unmet = self.entries.keys().filter(|name| !self.met.contains(*name));
        let unused = self.exceptions.iter().enumerate().filter(|(index, _)| !self.used.contains(index));
        let unused = unused.map(|(_, known)| {
            format!("{} {} {}: a known difference that is none any more", known.message, known.path, known.aspect)
        });
        unmet.map(|name| format!("{name}: no schema of Kafka's")).chain(unused).collect()
    }

    /// Compares altered schemas; true when every alteration is reported.
    fn alter(&mut self, sources: &[(String, Value, Release)], options: &Options) -> Result<bool> {
        let mut random = Random::new(options.seed);
        let (mut altered, mut noticed, mut attempts) = (0, 0, 0_u64);
        let mut by_kind: BTreeMap<String, u64> = BTreeMap::new();
        while altered < options.alterations {
            attempts += 1;
            if attempts > options.alterations.saturating_mul(100) {
                bail!("found no place for {} of {} alterations", options.alterations - altered, options.alterations);
            }
            // Not the attempts: a kind that seldom has a place must get its share too.
            let kind = usize::try_from(altered).ok().and_then(|turn| ALL.get(turn % ALL.len()));
            let chosen = usize::try_from(random.below(sources.len().max(1) as u64))?;
            let (Some((name, schema, release)), Some(kind)) = (sources.get(chosen), kind) else { continue };
            let original = File::new(schema)?;
            if original.valid.is_empty() || !self.entries.contains_key(original.schema.name.as_str()) {
                continue;
            }
            let before = self.compare(name, schema, *release)?;
            let mut copy = schema.clone();
            let Some(place) = alter(&mut copy, *kind, &mut random) else { continue };
            altered += 1;
            *by_kind.entry(format!("{kind:?}")).or_default() += 1;
            // A schema that cannot be read any more is noticed as well.
            if self.compare(name, &copy, *release).map_or(true, |after| after != before) {
                noticed += 1;
            } else {
                println!("{name}: {kind:?} of {place} was altered and not noticed (seed {})", options.seed);
            }
        }
        let kinds: Vec<_> = by_kind.iter().map(|(kind, times)| format!("{kind} {times}")).collect();
        println!("alterations  {noticed} of {altered} noticed, seed {} ({})", options.seed, kinds.join(", "));
        Ok(noticed == altered)
    }
}

/// All schemas in the directories under `root`, by name.
fn schemas(root: &Path) -> Result<Vec<(String, Value)>> {
    let mut schemas = Vec::new();
    let unreadable = |path: &Path| format!("cannot read {}", path.display());
    for jar in fs::read_dir(root).with_context(|| unreadable(root))? {
        for file in fs::read_dir(jar?.path()).with_context(|| unreadable(root))? {
            let path = file?.path();
            let text = fs::read_to_string(&path).with_context(|| unreadable(&path))?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            schemas.push((name, parse(&text).with_context(|| unreadable(&path))?));
        }
    }
    if schemas.is_empty() {
        bail!("no schemas under {}", root.display());
    }
    schemas.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(schemas)
}
