//! Writes a description as JSON in the form of Kafka's own request log (KIP-673): camelCase names, bytes in base64, records by their size,
//! unknown tagged fields left out. Reads no JSON.

use std::fmt::Write;

use crate::{Describer, Event};

/// A description as one line of JSON.
#[derive(Clone, Debug, Default)]
pub struct Json {
    text: String,
    /// A comma stands before the next element or field.
    comma: bool,
    /// The field whose value comes next.
    field: &'static str,
}

impl Json {
    /// The text written since the last call, so that a long description need not be held as a whole.
    #[must_use]
    pub fn take_text(&mut self) -> String {
        std::mem::take(&mut self.text)
    }

    /// The bytes that [`Json::take_text`] would return.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Writes what stands before a value: a comma, the name of the field that is due, `suffix` behind it.
    fn before_value(&mut self, suffix: &str) {
        if std::mem::replace(&mut self.comma, true) {
            self.text.push(',');
        }
        let name = std::mem::take(&mut self.field);
        if !name.is_empty() {
            self.put(format_args!("\"{name}{suffix}\":"));
        }
    }

    fn open(&mut self, bracket: char) {
        self.text.push(bracket);
        self.comma = false;
    }

    fn close(&mut self, bracket: char) {
        self.text.push(bracket);
        self.comma = true;
        // A message that ends too early may end between a name and its value.
        self.field = "";
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(text);
    }

    fn float(&mut self, value: f64) {
        match value {
            value if value.is_nan() => self.text.push_str("\"NaN\""),
            value if value.is_infinite() => {
                self.text.push_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" })
            }
            value => self.put(format_args!("{value:?}")),
        }
    }

    fn string(&mut self, value: &str) {
        self.text.push('"');
        for letter in value.chars() {
            match letter {
                '"' | '\\' => self.text.extend(['\\', letter]),
                control if control < ' ' => self.put(format_args!("\\u{:04x}", u32::from(control))),
                other => self.text.push(other),
            }
        }
        self.text.push('"');
    }

    fn base64(&mut self, bytes: &[u8]) {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        self.text.push('"');
        for three in bytes.chunks(3) {
            let byte = |index: usize| u32::from(three.get(index).copied().unwrap_or_default());
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for digit in 0..4_usize {
                let value = bits >> (18 - 6 * digit) & 63;
                let letter = ALPHABET.get(value as usize).copied().unwrap_or_default();
                self.text.push(if digit > three.len() { '=' } else { char::from(letter) });
            }
        }
        self.text.push('"');
    }
}

impl Describer for Json {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::EndStruct => return self.close('}'),
            Event::EndList => return self.close(']'),
            Event::Field(name) => return self.field = name,
            Event::UnknownTag(..) => return,
            Event::Records(_) => self.before_value("SizeInBytes"),
            _ => self.before_value(""),
        }
        match event {
            Event::Struct => self.open('{'),
            Event::List => self.open('['),
            Event::Null => self.text.push_str("null"),
            Event::Bool(value) => self.put(format_args!("{value}")),
            Event::Int(value) => self.put(format_args!("{value}")),
            Event::ErrorCode(code) => self.put(format_args!("{}", code.0)),
            Event::Records(records) => self.put(format_args!("{}", records.len())),
            Event::Float(value) => self.float(value),
            Event::Text(value) => self.string(value),
            Event::Uuid(value) => self.put(format_args!("\"{value}\"")),
            Event::Bytes(value) => self.base64(value),
            Event::EndStruct | Event::EndList | Event::Field(_) | Event::UnknownTag(..) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::{FetchRequest, MetadataRequest, ProduceRequest, fetch, metadata, produce};
    use crate::{Describe, Records, Version};

    fn json(value: &dyn Describe, number: i16, flexible: bool) -> String {
        let mut json = Json::default();
        value.describe(&mut json, Version { number, flexible });
        json.take_text()
    }

    #[test]
    fn a_message_is_told_by_version_in_kafkas_names() {
        let topic = metadata::MetadataRequestTopic { name: Some("a\"b".into()), ..Default::default() };
        let mut request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
        assert_eq!(json(&request, 0, false), r#"{"topics":[{"name":"a\"b"}]}"#);
        request.topics = None;
        assert_eq!(
            json(&request, 12, true),
            r#"{"topics":null,"allowAutoTopicCreation":true,"includeTopicAuthorizedOperations":false}"#
        );
    }

    #[test]
    fn tagged_fields_are_told_when_they_are_not_at_their_default() {
        let mut request = FetchRequest::default();
        assert!(!json(&request, 17, true).contains("replicaState"));
        request.replica_state.replica_id = 3;
        assert!(json(&request, 17, true).ends_with(r#""rackId":"","replicaState":{"replicaId":3,"replicaEpoch":-1}}"#));
        let aborted = fetch::AbortedTransaction { producer_id: -9, first_offset: i64::MAX, ..Default::default() };
        assert_eq!(json(&aborted, 4, false), r#"{"producerId":-9,"firstOffset":9223372036854775807}"#);
    }

    #[test]
    fn records_are_told_by_their_size() {
        let partition =
            produce::PartitionProduceData { records: Some(Records::Borrowed(b"1234")), ..Default::default() };
        assert_eq!(json(&partition, 9, true), r#"{"index":0,"recordsSizeInBytes":4}"#);
        let request = ProduceRequest { topic_data: Vec::new(), ..Default::default() };
        assert_eq!(json(&request, 9, true), r#"{"transactionalId":null,"acks":0,"timeoutMs":0,"topicData":[]}"#);
    }

    #[test]
    fn bytes_texts_and_odd_numbers_have_the_form_that_json_has_for_them() {
        let mut written = Json::default();
        written.event(Event::List);
        for bytes in [&b""[..], b"\xff", b"\xff\xfe", b"\xff\xfe\xfd"] {
            written.event(Event::Bytes(bytes));
        }
        for float in [1.0, -0.5e300, f64::NAN, f64::NEG_INFINITY] {
            written.event(Event::Float(float));
        }
        written.event(Event::Text("\u{1}\\\u{1f3f0}"));
        written.event(Event::EndList);
        assert_eq!(written.take_text(), r#"["","/w==","//4=","//79",1.0,-5e299,"NaN","-Infinity","\u0001\\🏰"]"#);
    }
}
