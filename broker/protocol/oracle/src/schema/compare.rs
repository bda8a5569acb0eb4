//! Says where a structure of ours differs from a schema of Kafka's. Looks only at versions that the schema calls valid, except for attributes that
//! have no versions.

use std::fmt;

use barnabas_protocol::testing::{Field, Kind, Schema};
use barnabas_protocol::{ApiKey, Listener, VersionRange};

use super::read::File;
use crate::catalogue::Entry;

/// One difference. Ordered as in the file of exceptions: message, path, aspect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub message: String,
    /// Fields, joined by dots; empty for the message itself.
    pub path: String,
    /// What differs: `type`, `versions`, `nullable`, `tag`, `default`, `ignorable`, `order` and so on.
    pub aspect: &'static str,
    pub ours: String,
    pub theirs: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, path, aspect, ours, theirs } = self;
        let dot = if path.is_empty() { "" } else { "." };
        write!(f, "{message}{dot}{path}: {aspect}: ours {ours}, Kafka's {theirs}")
    }
}

/// Whose schemas: a later release may have versions that an earlier one lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// Its versions are ours.
    Newest,
    /// Its versions are a beginning of ours.
    Earlier,
}

/// How much was compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub structures: usize,
    pub fields: usize,
}

/// A comparison of one message under way.
pub struct Comparison<'a> {
    message: &'a str,
    pub count: Count,
    pub differences: Vec<Difference>,
}

impl<'a> Comparison<'a> {
    /// Compares `entry` with `file`; `request` are the versions of the API's request in the same release.
    pub fn of(entry: &'a Entry, file: &File, release: Release, request: Option<VersionRange>) -> Self {
        let mut comparison = Self { message: entry.name, count: Count::default(), differences: Vec::new() };
        comparison.whole(entry, file, release);
        if let ("response", Some(request)) = (file.role.as_str(), request) {
            comparison.note("", "versions of its request", request, file.valid);
        }
        comparison.structure(&entry.schema(), &file.schema, file.valid, "", !file.flexible.is_empty());
        comparison
    }

    fn note(&mut self, path: &str, aspect: &'static str, ours: impl fmt::Display, theirs: impl fmt::Display) {
        let (ours, theirs) = (ours.to_string(), theirs.to_string());
        if ours != theirs {
            let (message, path) = (self.message.to_owned(), path.to_owned());
            self.differences.push(Difference { message, path, aspect, ours, theirs });
        }
    }

    fn whole(&mut self, entry: &Entry, file: &File, release: Release) {
        let ours = match release {
            Release::Newest => entry.versions,
            Release::Earlier => VersionRange::new(entry.versions.min, entry.versions.max.min(file.valid.max)),
        };
        self.note("", "valid versions", ours, file.valid);
        self.note("", "flexible versions", entry.flexible.intersect(file.valid), file.flexible);
        let number = |key: Option<i16>| key.map_or_else(|| "none".to_owned(), |number| number.to_string());
        if matches!(file.role.as_str(), "request" | "response") || entry.api_key.is_some() {
            self.note("", "api key", number(entry.api_key.map(ApiKey::number)), number(file.api_key));
        }
        if let (Some(key), "request") = (entry.api_key, file.role.as_str()) {
            let mut theirs = file.listeners.clone();
            theirs.sort_unstable();
            self.note("", "listeners", listeners(key).join(","), theirs.join(","));
            if release == Release::Earlier {
                let offered = file.valid.max - i16::from(file.latest_unstable);
                self.note("", "offered up to version", key.advertised_versions().max, offered);
            }
        }
    }

    fn structure(&mut self, ours: &Schema, theirs: &Schema, within: VersionRange, path: &str, flexible: bool) {
        self.count.structures += 1;
        let present = |field: &&Field| !field.versions.intersect(within).is_empty();
        let (ours_present, theirs_present): (Vec<_>, Vec<_>) =
            (ours.fields.iter().filter(present).collect(), theirs.fields.iter().filter(present).collect());
        self.note(path, "place for unknown tags", ours.keeps_unknown_tags || !flexible, true);
        let renamed: Vec<_> = theirs_present
            .iter()
            .enumerate()
            .map(|(at, one)| counterpart(&ours_present, &theirs_present, at, one))
            .collect();
        let ours_names: Vec<_> = ours_present.iter().map(|field| field.name.as_str()).collect();
        let theirs_names: Vec<_> = theirs_present
            .iter()
            .zip(&renamed)
            .map(|(one, ours)| ours.map_or(one.name.as_str(), |ours| ours.name.as_str()))
            .collect();
        self.note(path, "fields and their order", ours_names.join(" "), theirs_names.join(" "));
        for (theirs, ours) in theirs_present.iter().zip(renamed) {
            if let Some(ours) = ours {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", ours.name);
                self.note(&path, "name", &ours.name, &theirs.name);
                self.field(ours, theirs, within, &path, flexible);
            }
        }
    }

    fn field(&mut self, ours: &Field, theirs: &Field, within: VersionRange, path: &str, flexible: bool) {
        self.count.fields += 1;
        let versions = theirs.versions.intersect(within);
        self.note(path, "versions", ours.versions.intersect(within), versions);
        self.note(path, "nullable", ours.nullable.intersect(versions), theirs.nullable.intersect(versions));
        self.note(path, "tag", tag(ours), tag(theirs));
        // Records that may be null in no version that is valid any more have nothing to be null by default.
        let never_null = theirs.nullable.intersect(versions).is_empty() && theirs.kind == Kind::Plain("records");
        self.note(path, "default", &ours.default, if never_null { "" } else { &theirs.default });
        self.note(path, "ignorable", ours.ignorable, theirs.ignorable);
        self.note(path, "type", type_name(&ours.kind), type_name(&theirs.kind));
        if let (Some(ours), Some(theirs)) = (parts(&ours.kind), parts(&theirs.kind)) {
            self.structure(ours, theirs, versions, path, flexible);
        }
    }
}

/// Our field of the same name; or the one in the same place, when neither side has the other's name anywhere: it is called otherwise.
fn counterpart<'f>(ours: &[&'f Field], theirs: &[&Field], at: usize, field: &Field) -> Option<&'f Field> {
    let same_name = ours.iter().find(|one| one.name == field.name);
    let same_place =
        || ours.get(at).filter(|one| ours.len() == theirs.len() && theirs.iter().all(|other| other.name != one.name));
    same_name.or_else(same_place).copied()
}

fn tag(field: &Field) -> String {
    field.tag.map_or_else(|| "none".to_owned(), |tag| tag.to_string())
}

/// The type, structures without their names: those are not on the wire, and ours differ where two in one file are called the same.
fn type_name(kind: &Kind) -> String {
    match kind {
        Kind::Plain(name) => (*name).to_owned(),
        Kind::List(element) => format!("[]{}", type_name(element)),
        Kind::Struct(_) => "structure".to_owned(),
    }
}

fn parts(kind: &Kind) -> Option<&Schema> {
    match kind {
        Kind::Plain(_) => None,
        Kind::List(element) => parts(element),
        Kind::Struct(schema) => Some(schema),
    }
}

fn listeners(key: ApiKey) -> Vec<&'static str> {
    match key.listener() {
        Listener::Neither => Vec::new(),
        Listener::Broker => vec!["broker"],
        Listener::Controller => vec!["controller"],
        Listener::Both => vec!["broker", "controller"],
    }
}
