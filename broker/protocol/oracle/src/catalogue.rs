//! Every message and record of ours behind one shape, so that it can be compared with Kafka's by name. Made from the crate's own lists; has no list.

use barnabas_protocol::messages::*;
use barnabas_protocol::records::{
    control::*, coordinator::*, data::*, metadata::*, remote_log::*, share::*, transaction::*,
};
use barnabas_protocol::testing::{Described, Kind, Random, Sample, Schema};
use barnabas_protocol::{
    ApiKey, Decode, Describe, Encode, Json, Message, Reader, Version, VersionRange, every_data_structure,
    every_message, every_record,
};
use barnabas_types::Segment;

/// A message or record.
pub struct Entry {
    pub name: &'static str,
    /// The API, for requests and responses.
    pub api_key: Option<ApiKey>,
    pub versions: VersionRange,
    pub flexible: VersionRange,
    kind: fn() -> Kind,
    sample: fn(&mut Random, i16) -> Result<Vec<u8>, String>,
    recode: fn(&[u8], i16, i16) -> Recoded,
}

/// What came of reading a message in one version and writing it in another.
#[derive(Debug)]
pub enum Recoded {
    /// It could not be read.
    Unread(String),
    /// It was read and could not be written.
    Unwritten { rest: usize, reason: String },
    /// It was read, up to `rest` bytes before the end, and written; `json` is what it says, in Kafka's form.
    Written { rest: usize, bytes: Vec<u8>, json: String },
}

impl Entry {
    /// What the message says of itself.
    pub fn schema(&self) -> Schema {
        match (self.kind)() {
            Kind::Struct(schema) => schema,
            Kind::Plain(_) | Kind::List(_) => {
                Schema { name: self.name.to_owned(), keeps_unknown_tags: false, fields: Vec::new() }
            }
        }
    }

    /// A random message in version `version`.
    pub fn sample(&self, random: &mut Random, version: i16) -> Result<Vec<u8>, String> {
        (self.sample)(random, version)
    }

    /// Reads `bytes` as version `read` and writes what they say in version `write`.
    pub fn recode(&self, bytes: &[u8], read: i16, write: i16) -> Recoded {
        (self.recode)(bytes, read, write)
    }
}

fn recode<'a, M: Message + Decode<'a> + Encode + Describe>(bytes: &'a [u8], read: i16, write: i16) -> Recoded {
    let mut reader = Reader::new(bytes);
    let message = match M::decode(&mut reader, read) {
        Ok(message) => message,
        Err(error) => return Recoded::Unread(error.to_string()),
    };
    let rest = reader.remaining();
    match encode(&message, write) {
        Ok(bytes) => {
            let mut json = Json::default();
            message.describe(&mut json, Version { number: write, flexible: M::FLEXIBLE.contains(write) });
            Recoded::Written { rest, bytes, json: json.take_text() }
        }
        Err(reason) => Recoded::Unwritten { rest, reason },
    }
}

fn encode<M: Message + Encode>(message: &M, version: i16) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for segment in message.encode(version).map_err(|error| error.to_string())? {
        match segment {
            Segment::Bytes(more) => bytes.extend_from_slice(&more),
            Segment::File(_) => return Err("a sample has a region of a file".to_owned()),
        }
    }
    Ok(bytes)
}

macro_rules! entry {
    ($kind:ty, $key:expr) => {
        Entry {
            name: <$kind as Message>::NAME,
            api_key: $key,
            versions: <$kind as Message>::VERSIONS,
            flexible: <$kind as Message>::FLEXIBLE,
            kind: <$kind as Described>::kind,
            sample: |random, number| {
                let at = Version { number, flexible: <$kind as Message>::FLEXIBLE.contains(number) };
                encode(&<$kind as Sample>::sample(random, at), number)
            },
            recode: |bytes, read, write| recode::<$kind>(bytes, read, write),
        }
    };
}

macro_rules! messages {
    ($($key:ident $module:ident $request:ident $response:ident;)*) => {
        vec![$(entry!($request<'_>, Some(ApiKey::$key)), entry!($response<'_>, Some(ApiKey::$key)),)*]
    };
}

macro_rules! records {
    ($entries:ident $list:ident $($variant:ident($($record:ident),+) = $number:literal;)*) => {
        $($($entries.push(entry!($record<'_>, None));)+)*
    };
}

macro_rules! data_structures {
    ($entries:ident; $($kind:ty;)*) => {
        $($entries.push(entry!($kind, None));)*
    };
}

/// All messages and records, each once.
pub fn entries() -> Vec<Entry> {
    let mut entries: Vec<Entry> = every_message!(messages);
    every_record!(records entries);
    every_data_structure!(data_structures entries;);
    entries
}
