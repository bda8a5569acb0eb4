//! Writes a description for people: a field a line, indented by structure, short lists on one line, record batches a line each. Cuts what is
//! long, and says how long it was.

use std::fmt::Write;

use barnabas_protocol::{ApiKey, Describer, ErrorCode, Event, Records};

use super::batches;

/// Characters of a string that are shown.
const TEXT_LIMIT: usize = 500;
/// Bytes of a byte string that are shown.
const BYTES_LIMIT: usize = 32;
/// Where a list of plain values goes on in the next line, in characters.
const LINE_LIMIT: usize = 120;

enum Open {
    Struct,
    /// A list of which nothing is written yet but its name.
    EmptyList,
    /// A list of plain values, in brackets.
    Inline,
    /// A list of structures, each behind a dash.
    Block,
}

/// A description as indented lines.
pub struct Text {
    text: String,
    open: Vec<Open>,
    /// Spaces before a field of the innermost structure.
    indent: usize,
    /// The field whose value comes next.
    field: Option<&'static str>,
    /// The next line is the first of a list's element.
    dash: bool,
    /// Characters of the line that a list of plain values is at.
    column: usize,
    /// Where the innermost structure of a list begins in the text, as long as nothing in it has lines of its own.
    element: Option<usize>,
}

impl Text {
    /// An empty description whose fields stand `indent` spaces from the left.
    pub fn new(indent: usize) -> Self {
        Self { text: String::new(), open: Vec::new(), indent, field: None, dash: false, column: 0, element: None }
    }

    /// What has been written since the last call.
    pub fn take_text(&mut self) -> String {
        self.element = None;
        std::mem::take(&mut self.text)
    }

    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(text);
    }

    /// Begins a line of the innermost structure.
    fn begin_line(&mut self) {
        let dash = if std::mem::take(&mut self.dash) { "- " } else { "" };
        self.put(format_args!("{:indent$}{dash}", "", indent = self.indent.saturating_sub(dash.len())));
    }

    /// A plain value: a line of its own in a structure, an element between brackets in a list.
    fn value(&mut self, value: &str) {
        match self.open.last() {
            Some(Open::EmptyList) => {
                self.replace_innermost(Open::Inline);
                self.put(format_args!(" [{value}"));
                self.column = self.column.saturating_add(value.len());
            }
            Some(Open::Inline) if self.column.saturating_add(value.len()) > LINE_LIMIT => {
                self.put(format_args!(",\n{:indent$}{value}", "", indent = self.indent + 2));
                self.column = self.indent.saturating_add(value.len());
            }
            Some(Open::Inline) => {
                self.put(format_args!(", {value}"));
                self.column = self.column.saturating_add(value.len() + 2);
            }
            _ => {
                self.begin_line();
                match self.field.take() {
                    Some(name) => self.put(format_args!("{name}: {value}\n")),
                    None => self.put(format_args!("{value}\n")),
                }
            }
        }
    }

    fn replace_innermost(&mut self, open: Open) {
        self.open.pop();
        self.open.push(open);
    }

    fn begin_struct(&mut self) {
        match self.open.last() {
            None => {}
            Some(Open::Struct) => {
                self.begin_line();
                let name = self.field.take().unwrap_or_default();
                self.put(format_args!("{name}:\n"));
                self.indent += 2;
                self.element = None;
            }
            Some(_) => {
                if matches!(self.open.last(), Some(Open::EmptyList)) {
                    self.text.push('\n');
                    self.replace_innermost(Open::Block);
                }
                self.indent += 4;
                self.dash = true;
                self.element = Some(self.text.len());
            }
        }
        self.open.push(Open::Struct);
    }

    fn end_struct(&mut self) {
        if self.dash {
            self.field = None;
            self.value("{}");
        } else if self.field.is_some() {
            self.value("?");
        }
        if let Some(start) = self.element.take() {
            self.join_lines(start);
        }
        self.open.pop();
        let deeper = match self.open.last() {
            None => 0,
            Some(Open::Struct) => 2,
            Some(_) => 4,
        };
        self.indent = self.indent.saturating_sub(deeper);
    }

    /// Puts the lines from `start` on into one, if they fit.
    fn join_lines(&mut self, start: usize) {
        let lines = self.text.get(start..).unwrap_or_default();
        if lines.len() <= LINE_LIMIT + self.indent.saturating_mul(lines.lines().count()) {
            let first = lines.trim_end().lines().take(1);
            let rest = lines.lines().skip(1).map(str::trim_start);
            let line = first.chain(rest).collect::<Vec<_>>().join(", ");
            self.text.truncate(start);
            self.put(format_args!("{line}\n"));
        }
    }

    fn begin_list(&mut self) {
        self.begin_line();
        let name = self.field.take().unwrap_or_default();
        self.put(format_args!("{name}:"));
        self.column = self.indent.saturating_add(name.len());
        self.open.push(Open::EmptyList);
    }

    fn end_list(&mut self) {
        match self.open.pop() {
            Some(Open::EmptyList) => self.text.push_str(" []\n"),
            Some(Open::Inline) => self.text.push_str("]\n"),
            _ => {}
        }
    }

    /// Record batches: how many there are, then a line for each.
    fn records(&mut self, records: &Records<'_>) {
        let Records::Borrowed(bytes) = records else { return self.value(&format!("{} bytes", records.len())) };
        let lines = batches::lines(bytes);
        self.value(&format!("{}, {} bytes", batches::count(lines.len()), bytes.len()));
        self.element = None;
        for line in lines {
            self.put(format_args!("{:indent$}- {line}\n", "", indent = self.indent + 2));
        }
    }
}

impl Describer for Text {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Struct => self.begin_struct(),
            Event::EndStruct => self.end_struct(),
            Event::List => self.begin_list(),
            Event::EndList => self.end_list(),
            Event::Field(name) => self.field = Some(name),
            Event::UnknownTag(tag, value) => {
                self.begin_line();
                self.put(format_args!("unknown tag {tag}: {}\n", bytes(value)));
            }
            Event::Null => self.value("null"),
            Event::Bool(value) => self.value(if value { "true" } else { "false" }),
            Event::Int(value) => match api(self.field, value) {
                Some(api) => self.value(&format!("{value} ({api})")),
                None => self.value(&value.to_string()),
            },
            Event::Float(value) => self.value(&value.to_string()),
            Event::ErrorCode(code) => self.value(&error_code(code)),
            Event::Text(value) => self.value(&text(value)),
            Event::Uuid(value) => self.value(&value.to_string()),
            Event::Bytes(value) => self.value(&bytes(value)),
            Event::Records(records) => self.records(records),
        }
    }
}

/// The API that a field names by its key.
fn api(field: Option<&str>, value: i64) -> Option<ApiKey> {
    let number = i16::try_from(value).ok().filter(|_| field == Some("apiKey"))?;
    ApiKey::from_number(number)
}

fn error_code(code: ErrorCode) -> String {
    match code {
        ErrorCode::NONE => "NONE".to_owned(),
        code => format!("{} ({})", code.name(), code.0),
    }
}

/// `text` in quotes, what is no letter escaped, cut when it is long.
pub fn text(text: &str) -> String {
    match text.char_indices().nth(TEXT_LIMIT) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
    }
}

/// How many bytes there are, and the first of them in hexadecimal.
pub fn bytes(bytes: &[u8]) -> String {
    let mut text = match bytes.len() {
        0 => return "0 bytes".to_owned(),
        1 => "1 byte ".to_owned(),
        length => format!("{length} bytes "),
    };
    for byte in bytes.iter().take(BYTES_LIMIT) {
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > BYTES_LIMIT {
        text.push('…');
    }
    text
}
