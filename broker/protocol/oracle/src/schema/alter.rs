//! Makes schemas wrong, one small thing at a time, to see whether the comparison notices. Every alteration changes what is on the wire or what may be
//! set, in a version that is valid.

use barnabas_protocol::VersionRange;
use barnabas_protocol::testing::Random;
use serde_json::{Value, json};

use super::read::range;

/// What is done to a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alteration {
    Type,
    Versions,
    Nullable,
    Tag,
    Default,
    Ignorable,
    Name,
    Order,
    Missing,
    Extra,
    ValidVersions,
    FlexibleVersions,
}

/// All of them.
pub const ALL: [Alteration; 12] = [
    Alteration::Type,
    Alteration::Versions,
    Alteration::Nullable,
    Alteration::Tag,
    Alteration::Default,
    Alteration::Ignorable,
    Alteration::Name,
    Alteration::Order,
    Alteration::Missing,
    Alteration::Extra,
    Alteration::ValidVersions,
    Alteration::FlexibleVersions,
];

/// Applies `alteration` somewhere in `schema`; says where, or `None` when there is no place for it.
pub fn alter(schema: &mut Value, alteration: Alteration, random: &mut Random) -> Option<String> {
    let valid = range(schema.get("validVersions")?.as_str()?).ok()?;
    match alteration {
        Alteration::ValidVersions => {
            *schema.get_mut("validVersions")? = json!(format!("{}-{}", valid.min, valid.max.checked_add(1)?));
            return Some("the message".to_owned());
        }
        Alteration::FlexibleVersions => {
            let flexible = range(schema.get("flexibleVersions")?.as_str()?).ok()?;
            let other = if flexible.intersect(valid).is_empty() { "0+" } else { "none" };
            *schema.get_mut("flexibleVersions")? = json!(other);
            return Some("the message".to_owned());
        }
        _ => {}
    }
    let mut places = Vec::new();
    find_lists(schema, valid, "", &mut places);
    let chosen = usize::try_from(random.below(places.len().max(1) as u64)).ok()?;
    let (path, valid) = places.get(chosen)?;
    let fields = schema.pointer_mut(path)?.as_array_mut()?;
    let at = usize::try_from(random.below(fields.len() as u64)).ok()?;
    let within = range(fields.get(at)?.get("versions")?.as_str()?).ok()?.intersect(*valid);
    if within.is_empty() {
        return None;
    }
    let name = fields.get(at)?.get("name")?.as_str()?.to_owned();
    in_list(fields, at, within, *valid, alteration)?;
    Some(format!("{path}/{name}"))
}

/// The lists of fields that are not empty, and the versions that have them.
fn find_lists(of: &Value, within: VersionRange, path: &str, places: &mut Vec<(String, VersionRange)>) {
    for (index, structure) in of.get("commonStructs").and_then(Value::as_array).into_iter().flatten().enumerate() {
        let used = structure.get("name").and_then(Value::as_str).and_then(|name| used_in(of, name));
        let within = used.unwrap_or(VersionRange::EMPTY).intersect(within);
        find_lists(structure, within, &format!("{path}/commonStructs/{index}"), places);
    }
    let Some(fields) = of.get("fields").and_then(Value::as_array).filter(|fields| !fields.is_empty()) else { return };
    places.push((format!("{path}/fields"), within));
    for (index, field) in fields.iter().enumerate() {
        let versions = field.get("versions").and_then(Value::as_str).and_then(|text| range(text).ok());
        let within = versions.unwrap_or(VersionRange::EMPTY).intersect(within);
        if !within.is_empty() {
            find_lists(field, within, &format!("{path}/fields/{index}"), places);
        }
    }
}

/// The versions of the first field that is of the shared structure `name`.
fn used_in(of: &Value, name: &str) -> Option<VersionRange> {
    of.get("fields").and_then(Value::as_array)?.iter().find_map(|field| {
        let kind = field.get("type")?.as_str()?;
        if kind.trim_start_matches("[]") == name {
            range(field.get("versions")?.as_str()?).ok()
        } else {
            used_in(field, name)
        }
    })
}

/// Alters field `at`, which exists in versions `within`, of a list that exists in `valid`.
fn in_list(
    fields: &mut Vec<Value>,
    at: usize,
    within: VersionRange,
    valid: VersionRange,
    alteration: Alteration,
) -> Option<()> {
    match alteration {
        Alteration::Order => {
            let next = fields.get(at + 1)?;
            let next = range(next.get("versions")?.as_str()?).ok()?.intersect(valid);
            if next.is_empty() {
                return None;
            }
            fields.swap(at, at + 1);
        }
        Alteration::Missing => drop(fields.remove(at)),
        Alteration::Extra => {
            let mut copy = fields.get(at)?.clone();
            *copy.get_mut("name")? = json!("Unheard");
            fields.insert(at, copy);
        }
        _ => in_field(fields.get_mut(at)?.as_object_mut()?, within, alteration)?,
    }
    Some(())
}

fn in_field(field: &mut serde_json::Map<String, Value>, within: VersionRange, alteration: Alteration) -> Option<()> {
    let kind = field.get("type")?.as_str()?.to_owned();
    let number = kind.trim_start_matches('u').starts_with("int");
    match alteration {
        Alteration::Type => {
            let other = match kind.as_str() {
                "int32" => "uint32",
                "int16" => "uint16",
                "int64" => "float64",
                "string" => "bytes",
                "bytes" | "records" => "string",
                "bool" => "int8",
                _ if kind.starts_with("[]") => "int32",
                _ => "bool",
            };
            field.remove("default");
            field.insert("type".to_owned(), json!(other));
        }
        Alteration::Versions => {
            let later = format!("{}+", within.min.checked_add(1)?);
            if field.contains_key("taggedVersions") {
                field.insert("taggedVersions".to_owned(), json!(later));
            }
            field.insert("versions".to_owned(), json!(later));
        }
        Alteration::Nullable => {
            let before = field.get("nullableVersions").and_then(Value::as_str).and_then(|text| range(text).ok());
            let never = before.unwrap_or(VersionRange::EMPTY).intersect(within).is_empty();
            field.insert("nullableVersions".to_owned(), json!(if never { "0+" } else { "none" }));
        }
        Alteration::Tag => {
            let tag = field.get("tag").and_then(Value::as_u64).map_or(77, |tag| tag + 1);
            let versions = field.get("versions")?.clone();
            field.insert("tag".to_owned(), json!(tag));
            field.insert("taggedVersions".to_owned(), versions);
        }
        Alteration::Default if number => {
            let before = field.get("default").map(Value::to_string).unwrap_or_default();
            field.insert("default".to_owned(), json!(if before.contains('3') { "4" } else { "3" }));
        }
        Alteration::Default if kind == "bool" => {
            let before = field.get("default").map(Value::to_string).unwrap_or_default();
            field.insert("default".to_owned(), json!(!before.contains("true")));
        }
        Alteration::Default if field.get("default").is_some_and(|value| value == "null") => {
            field.remove("default");
        }
        // Null by default whatever the schema says, where they may be null at all.
        Alteration::Default if kind == "records" => return None,
        Alteration::Default => {
            field.insert("default".to_owned(), json!("null"));
        }
        Alteration::Ignorable => {
            let before = field.get("ignorable").and_then(Value::as_bool).unwrap_or(false);
            field.insert("ignorable".to_owned(), json!(!before));
        }
        Alteration::Name => {
            field.insert("name".to_owned(), json!("Unheard"));
        }
        _ => return None,
    }
    Some(())
}
