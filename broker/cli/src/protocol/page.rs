//! Where decoded frames are written, as text or as lines of JSON, and what of them is withheld. Knows no connection: whose frame it is, it is told.

use std::io::{self, Write};

use barnabas_protocol::{ApiKey, DecodeError, Describer, Event, Json, MessageLayout, Reader, RequestHeader};
use clap::ValueEnum;

use super::text::{self, Text};

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Indented lines for people.
    Text,
    /// One JSON object a frame, the message in the form of Kafka's request log.
    Json,
}

/// Fields whose bytes prove who somebody is.
const SECRETS: [&str; 3] = ["authBytes", "hmac", "saltedPassword"];
/// How much text is held before it is written, in bytes.
const HELD_BYTES: usize = 64 * 1024;

/// From where a frame comes.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Seconds since 1970.
    pub time: Option<f64>,
    /// The same since the first packet of the capture.
    pub since_start: Option<f64>,
    /// Sender and receiver.
    pub from_to: Option<[String; 2]>,
}

/// The request that a response answers.
#[derive(Clone, Debug)]
pub struct Asked {
    pub api_key: ApiKey,
    pub api_version: i16,
    pub correlation_id: i32,
    /// When it was sent, in seconds since 1970.
    pub time: Option<f64>,
}

/// What stands before a message.
pub struct Head<'a> {
    pub origin: &'a Origin,
    pub is_request: bool,
    /// The API and the version of the messages' layout.
    pub api: Option<(ApiKey, i16)>,
    pub correlation_id: Option<i32>,
    pub header: Option<&'a RequestHeader<'a>>,
    pub bytes: usize,
    /// Seconds since the request.
    pub after: Option<f64>,
}

enum Writer {
    Text(Text),
    Json(Json),
}

/// Takes frames and writes them.
pub struct Page<'a> {
    to: &'a mut dyn Write,
    format: OutputFormat,
    show_secrets: bool,
    /// Frames written, whole or not.
    pub frames: u64,
    /// Those of them that are not what they should be.
    pub faults: u64,
}

impl<'a> Page<'a> {
    pub fn new(to: &'a mut dyn Write, format: OutputFormat, show_secrets: bool) -> Self {
        Self { to, format, show_secrets, frames: 0, faults: 0 }
    }

    /// Lets what has been written be seen.
    pub fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    /// Says something about the input that is no frame.
    pub fn note(&mut self, note: &str) -> io::Result<()> {
        match self.format {
            OutputFormat::Text => writeln!(self.to, "# {note}"),
            OutputFormat::Json => {
                let mut json = Json::default();
                json.event(Event::Struct);
                json_text(&mut json, "note", note);
                json.event(Event::EndStruct);
                writeln!(self.to, "{}", json.take_text())
            }
        }
    }

    /// A frame that is no message, or whose message is not to be read: what is wrong, and its first bytes.
    pub fn unreadable(&mut self, head: &Head<'_>, why: &str, frame: &[u8]) -> io::Result<()> {
        self.frames += 1;
        self.faults += 1;
        let mut told = self.begin(head)?;
        match &mut told.writer {
            Writer::Text(_) => writeln!(told.to, "  ! {why}\n  ! {}", text::bytes(frame)),
            Writer::Json(json) => {
                json_text(json, "fault", why);
                told.end()
            }
        }
    }

    /// A message whose bytes begin where `reader` stands, up to a fault if it has one. Bytes after it are counted.
    pub fn message(
        &mut self,
        head: &Head<'_>,
        layout: &MessageLayout,
        version: i16,
        reader: &mut Reader<'_>,
    ) -> io::Result<()> {
        self.frames += 1;
        let mut told = self.begin(head)?;
        if let Writer::Json(json) = &mut told.writer {
            json.event(Event::Field("message"));
        }
        let read = layout.read(reader, version, &mut told);
        let is_fault = read.is_err();
        told.finish(read, reader.remaining())?;
        self.faults += u64::from(is_fault);
        Ok(())
    }

    fn begin(&mut self, head: &Head<'_>) -> io::Result<Told<'_>> {
        let writer = match self.format {
            OutputFormat::Text => {
                writeln!(self.to, "{}", text_head(head))?;
                Writer::Text(Text::new(2))
            }
            OutputFormat::Json => Writer::Json(json_head(head)),
        };
        let withhold = !self.show_secrets;
        Ok(Told { to: self.to, writer, withhold, is_secret: false, written: Ok(()) })
    }
}

/// Writes a message as it is told.
struct Told<'a> {
    to: &'a mut dyn Write,
    writer: Writer,
    withhold: bool,
    /// The next value is of a field that is not for everyone.
    is_secret: bool,
    written: io::Result<()>,
}

impl Describer for Told<'_> {
    fn event(&mut self, event: Event<'_>) {
        if self.written.is_err() {
            return;
        }
        let withheld;
        let event = match event {
            Event::Bytes(bytes) if self.is_secret => {
                withheld = format!("{} bytes withheld (--show-secrets shows them)", bytes.len());
                Event::Text(&withheld)
            }
            event => event,
        };
        self.is_secret = matches!(event, Event::Field(name) if self.withhold && SECRETS.contains(&name));
        let held = match &mut self.writer {
            Writer::Text(text) => {
                text.event(event);
                text.text_bytes()
            }
            Writer::Json(json) => {
                json.event(event);
                json.text_bytes()
            }
        };
        if held > HELD_BYTES {
            self.written = self.flush();
        }
    }
}

impl Told<'_> {
    fn flush(&mut self) -> io::Result<()> {
        let text = match &mut self.writer {
            Writer::Text(text) => text.take_text(),
            Writer::Json(json) => json.take_text(),
        };
        self.to.write_all(text.as_bytes())
    }

    /// What stands after a message.
    fn finish(mut self, read: Result<(), DecodeError>, trailing_bytes: usize) -> io::Result<()> {
        std::mem::replace(&mut self.written, Ok(()))?;
        self.flush()?;
        let fault = read.err().map(|error| error.to_string());
        let trailing_bytes = if fault.is_none() { trailing_bytes } else { 0 };
        match &mut self.writer {
            Writer::Text(_) => {
                if let Some(fault) = fault {
                    writeln!(self.to, "  ! {fault}")?;
                }
                if trailing_bytes > 0 {
                    writeln!(self.to, "  ({trailing_bytes} bytes after the message)")?;
                }
                Ok(())
            }
            Writer::Json(json) => {
                if trailing_bytes > 0 {
                    json_int(json, "trailingBytes", trailing_bytes as i64);
                }
                if let Some(fault) = fault {
                    json_text(json, "fault", &fault);
                }
                self.end()
            }
        }
    }

    /// Ends a line of JSON.
    fn end(mut self) -> io::Result<()> {
        self.event(Event::EndStruct);
        self.flush()?;
        writeln!(self.to)
    }
}

fn text_head(head: &Head<'_>) -> String {
    let mut line = String::new();
    if let Some(since) = head.origin.since_start {
        line += &format!("{since:.6}  ");
    }
    if let Some([from, to]) = &head.origin.from_to {
        line += &format!("{from} > {to}  ");
    }
    let what = if head.is_request { "request" } else { "response" };
    line += &match head.api {
        Some((key, version)) => format!("{key} v{version} {what}"),
        None => what.to_owned(),
    };
    if let Some(correlation_id) = head.correlation_id {
        line += &format!(", correlation id {correlation_id}");
    }
    if let Some(header) = head.header {
        line += &header
            .client_id
            .as_deref()
            .map_or(", no client id".to_owned(), |id| format!(", client id {}", text::text(id)));
        for (tag, value) in header.unknown_tags.iter() {
            line += &format!(", unknown tag {tag} in the header: {}", text::bytes(value));
        }
    }
    line += &format!(", {} bytes", head.bytes);
    if let Some(after) = head.after {
        line += &format!(", {:.3} ms after the request", after * 1000.0);
    }
    line
}

fn json_head(head: &Head<'_>) -> Json {
    let mut json = Json::default();
    json.event(Event::Struct);
    json_text(&mut json, "type", if head.is_request { "request" } else { "response" });
    if let Some(time) = head.origin.time {
        json.event(Event::Field("time"));
        json.event(Event::Float(time));
    }
    if let Some([from, to]) = &head.origin.from_to {
        json_text(&mut json, "from", from);
        json_text(&mut json, "to", to);
    }
    if let Some((key, version)) = head.api {
        json_text(&mut json, "api", key.name());
        json_int(&mut json, "apiKey", key.number().into());
        json_int(&mut json, "apiVersion", version.into());
    }
    if let Some(correlation_id) = head.correlation_id {
        json_int(&mut json, "correlationId", correlation_id.into());
    }
    if let Some(header) = head.header {
        json.event(Event::Field("clientId"));
        json.event(header.client_id.as_deref().map_or(Event::Null, Event::Text));
    }
    json_int(&mut json, "bytes", head.bytes as i64);
    if let Some(after) = head.after {
        json.event(Event::Field("secondsAfterRequest"));
        json.event(Event::Float(after));
    }
    json
}

fn json_text(json: &mut Json, name: &'static str, value: &str) {
    json.event(Event::Field(name));
    json.event(Event::Text(value));
}

fn json_int(json: &mut Json, name: &'static str, value: i64) {
    json.event(Event::Field(name));
    json.event(Event::Int(value));
}
