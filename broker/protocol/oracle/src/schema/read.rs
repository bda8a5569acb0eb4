//! Reads Kafka's message schemas: JSON with comments, in the shape that our structures describe themselves in. Judges nothing.

use anyhow::{Context, Result, bail};
use barnabas_protocol::VersionRange;
use barnabas_protocol::testing::{Field, Kind, Schema};
use serde_json::Value;

/// A schema file.
#[derive(Clone, Debug)]
pub struct File {
    pub schema: Schema,
    /// `request`, `response`, `metadata` and so on.
    pub role: String,
    pub api_key: Option<i16>,
    /// Only requests name them.
    pub listeners: Vec<String>,
    pub valid: VersionRange,
    pub flexible: VersionRange,
    /// The latest version is still in the making and not offered.
    pub latest_unstable: bool,
}

/// The JSON in `text`, whose lines may end in comments.
pub fn parse(text: &str) -> Result<Value> {
    let plain: Vec<_> = text.lines().map(without_comment).collect();
    serde_json::from_str(&plain.join("\n")).context("a schema is not JSON")
}

fn without_comment(line: &str) -> &str {
    let (mut in_text, mut before) = (false, ' ');
    for (at, letter) in line.char_indices() {
        match letter {
            '"' if before != '\\' => in_text = !in_text,
            '/' if before == '/' && !in_text => return line.get(..at - 1).unwrap_or_default(),
            _ => {}
        }
        before = letter;
    }
    line
}

impl File {
    /// The schema that `value` is.
    pub fn new(value: &Value) -> Result<Self> {
        let structures = value.get("commonStructs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let name = text(value, "name")?;
        let valid = range(text(value, "validVersions")?)?;
        let flexible = range(text(value, "flexibleVersions").unwrap_or("none"))?;
        let fields = fields(value, structures).with_context(|| format!("in {name}"))?;
        let listeners = value.get("listeners").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Ok(Self {
            schema: Schema { name: name.to_owned(), keeps_unknown_tags: !flexible.is_empty(), fields },
            role: text(value, "type")?.to_owned(),
            api_key: value.get("apiKey").and_then(Value::as_i64).map(i16::try_from).transpose()?,
            listeners: listeners.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            valid,
            flexible: flexible.intersect(valid),
            latest_unstable: value.get("latestVersionUnstable").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value.get(key).and_then(Value::as_str).with_context(|| format!("no {key}"))
}

/// `none`, `0+`, `3` or `1-4`.
pub fn range(text: &str) -> Result<VersionRange> {
    if text == "none" {
        return Ok(VersionRange::EMPTY);
    }
    let number = |digits: &str| digits.parse::<i16>().with_context(|| format!("{text:?} is no range of versions"));
    if let Some(min) = text.strip_suffix('+') {
        return Ok(VersionRange::new(number(min)?, i16::MAX));
    }
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    Ok(VersionRange::new(number(min)?, number(max)?))
}

fn fields(of: &Value, structures: &[Value]) -> Result<Vec<Field>> {
    let list = of.get("fields").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|value| field(value, structures)).collect()
}

fn field(value: &Value, structures: &[Value]) -> Result<Field> {
    let name = text(value, "name")?;
    let read = || -> Result<Field> {
        let kind = kind(text(value, "type")?, value, structures)?;
        let nullable = range(text(value, "nullableVersions").unwrap_or("none"))?;
        let versions = match text(value, "versions").or_else(|_| text(value, "taggedVersions")) {
            Ok(versions) => range(versions)?,
            Err(error) => return Err(error),
        };
        let tag = value.get("tag").and_then(Value::as_u64).map(u32::try_from).transpose()?;
        if tag.is_some() && range(text(value, "taggedVersions")?)? != versions {
            bail!("tagged in some of its versions and not in others, which no structure of ours can say");
        }
        Ok(Field {
            name: camel_case(name),
            versions,
            nullable,
            tag,
            default: default(&kind, !nullable.is_empty(), value.get("default"))?,
            ignorable: value.get("ignorable").and_then(Value::as_bool).unwrap_or(false),
            kind,
        })
    };
    read().with_context(|| format!("field {name}"))
}

/// Kafka's name in JSON: the first letter small.
fn camel_case(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect()
}

const PLAIN: [&str; 12] =
    ["bool", "int8", "int16", "uint16", "int32", "uint32", "int64", "float64", "uuid", "string", "bytes", "records"];

fn kind(name: &str, field: &Value, structures: &[Value]) -> Result<Kind> {
    if let Some(element) = name.strip_prefix("[]") {
        return Ok(Kind::List(Box::new(kind(element, field, structures)?)));
    }
    if let Some(plain) = PLAIN.into_iter().find(|plain| *plain == name) {
        return Ok(Kind::Plain(plain));
    }
    let shared = structures.iter().find(|structure| text(structure, "name").is_ok_and(|other| other == name));
    let fields = fields(shared.unwrap_or(field), structures)?;
    Ok(Kind::Struct(Schema { name: name.to_owned(), keeps_unknown_tags: true, fields }))
}

/// Kafka's default in the words of our structures.
fn default(kind: &Kind, nullable: bool, value: Option<&Value>) -> Result<String> {
    // The null of JSON, not the text "null", is as good as no default to Kafka's generator.
    let value = value.filter(|value| !value.is_null());
    let given = value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default();
    Ok(match kind {
        _ if given == "null" => given,
        Kind::List(_) => "[]".to_owned(),
        Kind::Struct(_) => "{}".to_owned(),
        // Kafka's generator sets records to null where they may be, whatever the schema says.
        Kind::Plain("records") if nullable => "null".to_owned(),
        Kind::Plain("string" | "bytes" | "records") => given,
        Kind::Plain("uuid") if given.is_empty() => "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        Kind::Plain("uuid") => given,
        Kind::Plain("bool") => (given == "true").to_string(),
        Kind::Plain("float64") => given.parse::<f64>().unwrap_or_default().to_string(),
        Kind::Plain(_) => match given.strip_prefix("0x") {
            Some(digits) => i64::from_str_radix(digits, 16)?.to_string(),
            None if given.is_empty() => "0".to_owned(),
            None => given.parse::<i64>()?.to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_read_without_its_comments() {
        let text = r#"// the first line
            { "name": "X", "type": "data", "validVersions": "0-2", "flexibleVersions": "1+", // why
              "fields": [ { "name": "IsOld", "type": "[]Old", "versions": "1+", "about": "see http://x", "fields": [
                { "name": "Size", "type": "int32", "versions": "1+", "default": "0x7f" } ] } ] }"#;
        let file = File::new(&parse(text).unwrap()).unwrap();
        assert_eq!((file.valid, file.flexible), (VersionRange::new(0, 2), VersionRange::new(1, 2)));
        let field = &file.schema.fields[0];
        assert_eq!((field.name.as_str(), field.default.as_str()), ("isOld", "[]"));
        let Kind::List(element) = &field.kind else { panic!("a list was expected") };
        assert!(matches!(&**element, Kind::Struct(old) if old.name == "Old" && old.fields[0].default == "127"));
    }

    #[test]
    fn ranges_of_versions_have_four_forms() {
        assert_eq!(range("none").unwrap(), VersionRange::EMPTY);
        assert_eq!(range("3+").unwrap(), VersionRange::new(3, i16::MAX));
        assert_eq!(range("3").unwrap(), VersionRange::new(3, 3));
        assert_eq!(range("1-4").unwrap(), VersionRange::new(1, 4));
        assert!(range("all").is_err());
    }
}
