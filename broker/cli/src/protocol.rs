//! `barnabas protocol`: frames of Kafka's protocol as readable text, for people who debug clients. Reads what was recorded; opens no connection
//! and captures no packet.

mod apis;
mod batches;
mod capture;
mod conversation;
mod frames;
mod input;
mod packets;
mod page;
mod reassembly;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use barnabas_protocol::ApiKey;
use clap::{Args, Subcommand};

use capture::Filter;
use conversation::{Conversation, looks_like_request, response};
use frames::{FrameReader, StreamError};
use input::{Input, InputError};
use packets::CaptureError;
use page::{Asked, Origin, OutputFormat, Page};

const EXAMPLES: &str = "Examples:
  barnabas protocol 00000010001200000000000100026d65…        a request in hexadecimal or base64
  barnabas protocol --response --api Fetch --api-version 17 reply.bin
  tcpdump -i lo -w kafka.pcap port 9092                       then: barnabas protocol kafka.pcap
  tcpdump -i lo -U -w - port 9092 | barnabas protocol         as it happens
  barnabas protocol --stream to-broker.bin --responses from-broker.bin
  barnabas protocol apis                                      the APIs and their versions

Exit code: 0 when every frame was decoded, 1 when one was not, 2 when there was nothing to decode or an argument is wrong.";

/// Show frames of Kafka's protocol as text: one frame, a stream of them, or a capture of tcpdump.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct ProtocolArguments {
    #[command(subcommand)]
    command: Option<ProtocolCommand>,

    #[command(flatten)]
    decode: DecodeArguments,
}

#[derive(Debug, Subcommand)]
enum ProtocolCommand {
    /// List the APIs: key, name, versions, listeners.
    Apis {
        /// How the list is written.
        #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
        output: OutputFormat,
    },
}

#[derive(Args, Debug)]
struct DecodeArguments {
    /// A frame in hexadecimal or base64, with or without its length, or a file that holds one: text, bytes, or a capture (pcap, pcapng).
    /// Without it, or for `-`, standard input.
    #[arg(value_name = "FRAME|FILE")]
    input: Option<String>,

    /// The frame is a request, which says itself of which API and version. The default.
    #[arg(long, conflicts_with = "response")]
    request: bool,

    /// The frame is a response, which does not say of what: give --api and --api-version.
    #[arg(long, requires = "api", requires = "api_version")]
    response: bool,

    /// The API of a response: a name or a key.
    #[arg(long, value_name = "NAME|KEY", value_parser = api, requires = "response")]
    api: Option<ApiKey>,

    /// The version of the request that a response answers.
    #[arg(long, value_name = "VERSION", requires = "response")]
    api_version: Option<i16>,

    /// The input is one direction of a connection: frames with their lengths, one after the other.
    #[arg(long)]
    stream: bool,

    /// The other direction of the connection: the responses to the requests of --stream.
    #[arg(long, value_name = "FILE", requires = "stream", conflicts_with = "response")]
    responses: Option<String>,

    /// In a capture, look only at connections with this port. May be repeated.
    #[arg(long = "port", value_name = "PORT")]
    ports: Vec<u16>,

    /// The largest frame, in bytes. A longer one is taken for a sign that these are no frames.
    #[arg(long, value_name = "BYTES", default_value_t = 100 << 20, value_parser = clap::value_parser!(u32).range(1..=1 << 30))]
    max_frame_bytes: u32,

    /// Show what proves who somebody is too: SASL tokens, salted passwords, keys of delegation tokens.
    #[arg(long)]
    show_secrets: bool,

    /// How frames are written.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    output: OutputFormat,
}

/// The API of a name in any case, or of a key.
fn api(text: &str) -> Result<ApiKey, String> {
    let by_key = text.parse().ok().and_then(ApiKey::from_number);
    let found = by_key.or_else(|| ApiKey::all().find(|api| api.name().eq_ignore_ascii_case(text)));
    found.ok_or_else(|| "no API has this name or key; `barnabas protocol apis` lists them".to_owned())
}

/// Why it went no further.
#[derive(Debug, thiserror::Error)]
enum ProtocolError {
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

impl ProtocolError {
    /// True when whoever reads the output has had enough.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Write(error) | Self::Capture(CaptureError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// Runs the command and says how it ended.
#[must_use]
pub fn run(arguments: &ProtocolArguments) -> ExitCode {
    let mut to = BufWriter::new(io::stdout().lock());
    match write(arguments, &mut to) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            // What was decoded before the error stands before it.
            let _ = to.flush();
            eprintln!("barnabas protocol: {error}");
            ExitCode::from(2)
        }
    }
}

/// Writes what the command asks for; returns how many frames could not be decoded.
fn write(arguments: &ProtocolArguments, to: &mut dyn Write) -> Result<u64, ProtocolError> {
    if let Some(ProtocolCommand::Apis { output }) = &arguments.command {
        apis::write(to, *output)?;
        to.flush()?;
        return Ok(0);
    }
    let arguments = &arguments.decode;
    let faults = {
        let mut page = Page::new(to, arguments.output, arguments.show_secrets);
        decode(arguments, &mut page)?;
        page.faults
    };
    to.flush()?;
    Ok(faults)
}

fn decode(arguments: &DecodeArguments, page: &mut Page<'_>) -> Result<(), ProtocolError> {
    let input = arguments.input.as_deref();
    if arguments.stream {
        return stream(arguments, page);
    }
    match input::read(input, arguments.max_frame_bytes)? {
        Input::Frame(bytes) => frame(&bytes, arguments, page)?,
        Input::Capture(file) => {
            let filter = Filter { ports: arguments.ports.clone(), max_frame_bytes: arguments.max_frame_bytes };
            capture::decode(file, filter, page)?;
            if page.frames == 0 {
                page.note("no frame of Kafka's protocol in this capture")?;
            }
        }
    }
    Ok(())
}

/// The request that the arguments say was asked, for responses.
fn asked(arguments: &DecodeArguments) -> Option<Asked> {
    let (api_key, api_version) = arguments.api.zip(arguments.api_version)?;
    Some(Asked { api_key, api_version, correlation_id: 0, time: None })
}

/// One frame.
fn frame(bytes: &[u8], arguments: &DecodeArguments, page: &mut Page<'_>) -> io::Result<()> {
    let (frame, after) = without_length(bytes, arguments.response);
    match asked(arguments) {
        Some(asked) => response(frame, &asked, &Origin::default(), page)?,
        None => Conversation::default().request(frame, &Origin::default(), page)?,
    }
    if after > 0 {
        page.note(&format!("{after} bytes follow the frame; --stream decodes frames one after the other"))?;
    }
    Ok(())
}

/// The frame without its length, if it has one, and how many bytes follow it.
fn without_length(bytes: &[u8], is_response: bool) -> (&[u8], usize) {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return (bytes, 0) };
    let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if length == rest.len() {
        return (rest, 0);
    }
    // A length that does not fit may be that of a frame that was cut, or that others follow.
    if is_response || looks_like_request(bytes, bytes.len()) || !looks_like_request(rest, rest.len()) {
        return (bytes, 0);
    }
    (rest.get(..length).unwrap_or(rest), rest.len().saturating_sub(length))
}

/// One direction of a connection, or both.
fn stream(arguments: &DecodeArguments, page: &mut Page<'_>) -> Result<(), ProtocolError> {
    let open = |file| Ok::<_, InputError>(FrameReader::new(input::stream(file)?, arguments.max_frame_bytes));
    let mut frames = open(arguments.input.as_deref())?;
    let mut responses = arguments.responses.as_deref().map(|file| open(Some(file))).transpose()?;
    let (origin, asked) = (Origin::default(), asked(arguments));
    let mut conversation = Conversation::default();
    let mut next_response = responses.as_mut().map_or(Ok(None), FrameReader::next)?;
    while let Some(frame) = frames.next()? {
        match &asked {
            Some(asked) => response(&frame, asked, &origin, page)?,
            None => conversation.request(&frame, &origin, page)?,
        }
        while let (Some(frame), Some(rest)) = (&next_response, &mut responses) {
            if !conversation.waits_for(frame) {
                break;
            }
            conversation.response(frame, &origin, page)?;
            next_response = rest.next()?;
        }
    }
    while let (Some(frame), Some(rest)) = (&next_response, &mut responses) {
        conversation.response(frame, &origin, page)?;
        next_response = rest.next()?;
    }
    Ok(())
}
