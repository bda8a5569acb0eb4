//! A recording as a file: whose it is, the state from which it begins, the inputs, and how many they are. Made of a ring, and read back from bytes of
//! which nothing is believed that a checksum does not cover. Plays nothing.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::coordinator::Replayer as Coordinator;
use crate::core::{Core, Kind};
use crate::lines::{Line as Checked, Writer, checked};
use crate::raft::Raft;
use crate::replica::Replayer as Replica;
use crate::ring::{Entry, Ring};

/// A file that is larger is refused before it is read: rings hold less than a hundredth of it.
pub const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// Whose recording it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The release that wrote it: another one may decide otherwise.
    pub release: String,
    /// Which core.
    pub core: Kind,
    /// `node.id`.
    pub node: i32,
    /// The partition.
    pub name: String,
    /// Why it was written.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub wall_ms: i64,
}

/// A file that cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, byte {position}: {what}")]
pub struct Damaged {
    /// From 1.
    pub line: usize,
    /// In the file.
    pub position: usize,
    /// What is wrong.
    pub what: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line<S, I> {
    Head(Head),
    Start(S),
    Input(Entry<I>),
    End { inputs: usize },
}

/// The inputs of one core, and what it was before.
#[derive(Debug)]
pub struct Inputs<C: Core> {
    pub(crate) start: C::Start,
    pub(crate) entries: Vec<Entry<C::Input>>,
}

/// A recording that was read.
#[derive(Debug)]
pub struct Recording {
    /// Whose it is.
    pub head: Head,
    pub(crate) of: Of,
}

/// Of which core.
#[derive(Debug)]
pub(crate) enum Of {
    Raft(Box<Inputs<Raft>>),
    Replica(Box<Inputs<Replica>>),
    Coordinator(Box<Inputs<Coordinator>>),
}

/// The file of what `ring` holds; None when that is nothing.
#[must_use]
pub fn write<S: Serialize, I: Serialize>(head: &Head, ring: &Ring<S, I>) -> Option<Vec<u8>> {
    let mut writer = Writer::new();
    let mut line = |line: &Line<&S, &I>| writer.line(line);
    let mut inputs = 0;
    line(&Line::Head(head.clone())).ok()?;
    line(&Line::Start(ring.start()?)).ok()?;
    for Entry { now, input, digest } in ring.entries() {
        line(&Line::Input(Entry { now: *now, input, digest: *digest })).ok()?;
        inputs += 1;
    }
    line(&Line::End { inputs }).ok()?;
    Some(writer.finish())
}

/// Reads a file.
///
/// # Errors
/// It is none, was damaged or cut, or another release wrote it: where, and what is wrong.
pub fn read(bytes: &[u8]) -> Result<Recording, Damaged> {
    let lines = checked(bytes)?;
    let after = lines.len() + 2;
    let mut lines = lines.iter();
    let end = || Damaged { line: after, position: bytes.len(), what: "the file ends before its last line".to_owned() };
    let head = lines.next().ok_or_else(end)?;
    let Line::Head(head) = parse::<(), ()>(head)? else { return Err(head.damaged("expected whose recording it is")) };
    let of = match head.core {
        Kind::Raft => Of::Raft(Box::new(inputs::<Raft>(lines, end)?)),
        Kind::Replica => Of::Replica(Box::new(inputs::<Replica>(lines, end)?)),
        Kind::Coordinator => Of::Coordinator(Box::new(inputs::<Coordinator>(lines, end)?)),
    };
    Ok(Recording { head, of })
}

fn inputs<'a, C: Core>(
    mut lines: impl Iterator<Item = &'a Checked<'a>>,
    end: impl Fn() -> Damaged,
) -> Result<Inputs<C>, Damaged> {
    let first = lines.next().ok_or_else(&end)?;
    let Line::Start(start) = parse::<C::Start, C::Input>(first)? else {
        return Err(first.damaged("expected the state from which the recording begins"));
    };
    let mut entries = Vec::new();
    for line in lines.by_ref() {
        match parse::<C::Start, C::Input>(line)? {
            Line::Input(entry) => entries.push(entry),
            Line::End { inputs } if inputs == entries.len() => {
                return match lines.next() {
                    None => Ok(Inputs { start, entries }),
                    Some(more) => Err(more.damaged("the recording goes on after its last line")),
                };
            }
            Line::End { inputs } => {
                return Err(line.damaged(format!("{inputs} inputs were written, here are {}", entries.len())));
            }
            Line::Head(_) | Line::Start(_) => return Err(line.damaged("expected an input or the end")),
        }
    }
    Err(end())
}

fn parse<S: DeserializeOwned, I: DeserializeOwned>(line: &Checked<'_>) -> Result<Line<S, I>, Damaged> {
    serde_json::from_slice(line.json)
        .map_err(|error| line.damaged(format!("this release cannot read the line: {error}")))
}
