//! What the user hands over: a text in hexadecimal or base64, bytes, or a capture of network packets. Tells them apart; reads no frame.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// How pcap (both byte orders, micro- and nanoseconds) and pcapng files begin.
const CAPTURE_MAGICS: [[u8; 4]; 5] = [
    [0xd4, 0xc3, 0xb2, 0xa1],
    [0xa1, 0xb2, 0xc3, 0xd4],
    [0x4d, 0x3c, 0xb2, 0xa1],
    [0xa1, 0xb2, 0x3c, 0x4d],
    [0x0a, 0x0d, 0x0d, 0x0a],
];

/// Why there is nothing to decode.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("cannot read {name}: {error}")]
    Read { name: String, error: io::Error },
    #[error("{name} is empty; give a frame in hexadecimal or base64, or a file")]
    Empty { name: String },
    #[error(
        "{name} has more than {limit} bytes; for a stream of frames use --stream, for a larger frame --max-frame-bytes"
    )]
    TooLong { name: String, limit: u64 },
    #[error(
        "{name} is neither hexadecimal nor base64 (character {letter:?} at {position}), and no file of that name exists; \
         bytes as they are go into a file or to standard input"
    )]
    NotAFrame { name: String, letter: char, position: usize },
    #[error("{name} has {digits} hexadecimal digits, which is no whole number of bytes")]
    OddDigits { name: String, digits: usize },
    #[error("{name} looks like base64 but is not: {error}")]
    Base64 { name: String, error: base64::DecodeError },
}

/// What was handed over.
pub enum Input {
    /// One frame, with or without its length.
    Frame(Vec<u8>),
    /// Packets in one of the formats of libpcap.
    Capture(Box<dyn Read + Send>),
}

/// A file that is open, and what it is called in errors.
struct Opened {
    name: String,
    file: Box<dyn Read + Send>,
}

/// Opens the file `argument`, or standard input for none and `-`; `None` when there is no such file.
fn open(argument: Option<&str>) -> Result<Option<Opened>, InputError> {
    match argument {
        None | Some("-") => Ok(Some(Opened { name: "standard input".to_owned(), file: Box::new(io::stdin()) })),
        Some(path) if Path::new(path).exists() => {
            let file = File::open(path).map_err(|error| InputError::Read { name: path.to_owned(), error })?;
            Ok(Some(Opened { name: path.to_owned(), file: Box::new(file) }))
        }
        Some(_) => Ok(None),
    }
}

/// Reads `argument` as far as is needed to know what it is; a frame as a whole, which may have `max_bytes` and their text form.
pub fn read(argument: Option<&str>, max_bytes: u32) -> Result<Input, InputError> {
    let Some(Opened { name, mut file }) = open(argument)? else {
        let text = argument.unwrap_or_default();
        return decode_text("the argument", text).map(Input::Frame);
    };
    let read_error = |error| InputError::Read { name: name.clone(), error };
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).map_err(read_error)?;
    if CAPTURE_MAGICS.iter().any(|magic| start.starts_with(magic)) {
        return Ok(Input::Capture(Box::new(Cursor::new(start).chain(file))));
    }
    // Hexadecimal with blanks takes three characters a byte; four leave room for line ends.
    let limit = u64::from(max_bytes).saturating_mul(4);
    let mut bytes = start;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(read_error)?;
    if bytes.len() as u64 > limit {
        return Err(InputError::TooLong { name, limit });
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) if is_text(text) => decode_text(&name, text).map(Input::Frame),
        _ => Ok(Input::Frame(bytes)),
    }
}

/// Opens a stream of frames.
pub fn stream(argument: Option<&str>) -> Result<Box<dyn Read + Send>, InputError> {
    let missing = || InputError::Read {
        name: argument.unwrap_or_default().to_owned(),
        error: io::Error::from(io::ErrorKind::NotFound),
    };
    Ok(open(argument)?.ok_or_else(missing)?.file)
}

/// A frame begins with a length or an API key, so that its first bytes are no printable text.
fn is_text(text: &str) -> bool {
    text.chars().all(|letter| !letter.is_control() || letter.is_whitespace())
}

/// The bytes of a text in hexadecimal or base64. Blanks, line ends, colons, commas and `0x` or `\x` before bytes are passed over.
fn decode_text(name: &str, text: &str) -> Result<Vec<u8>, InputError> {
    let name = || name.to_owned();
    let bare = text.replace("0x", "").replace("\\x", "");
    let digits: String = bare.chars().filter(|letter| !is_separator(*letter)).collect();
    if digits.is_empty() {
        return Err(InputError::Empty { name: name() });
    }
    if digits.chars().all(|letter| letter.is_ascii_hexdigit()) {
        return from_hex(&digits).ok_or_else(|| InputError::OddDigits { name: name(), digits: digits.len() });
    }
    let letters: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let is_base64 = |letter: char| letter.is_ascii_alphanumeric() || "+/-_=".contains(letter);
    if let Some((position, letter)) = text.chars().enumerate().find(|(_, at)| !at.is_whitespace() && !is_base64(*at)) {
        return Err(InputError::NotAFrame { name: name(), letter, position });
    }
    let alphabet = if letters.contains(['-', '_']) { alphabet::URL_SAFE } else { alphabet::STANDARD };
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(&alphabet, config).decode(letters);
    decoded.map_err(|error| InputError::Base64 { name: name(), error })
}

fn is_separator(letter: char) -> bool {
    letter.is_whitespace() || letter == ':' || letter == ','
}

/// The bytes of an even number of digits.
fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_in_every_common_form() {
        for text in
            ["00126fff", "00 12 6F ff\n", "00:12:6f:ff", "0x00, 0x12, 0x6f, 0xff", "\\x00\\x12\\x6f\\xff", "0x00126fff"]
        {
            assert_eq!(decode_text("it", text).unwrap(), [0, 0x12, 0x6f, 0xff], "{text}");
        }
    }

    #[test]
    fn base64_is_read_in_both_alphabets_with_and_without_padding() {
        for text in ["ABJv//s=", "ABJv//s", "ABJv__s", "ABJv\n//s="] {
            assert_eq!(decode_text("it", text).unwrap(), [0, 0x12, 0x6f, 0xff, 0xfb], "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_its_place() {
        let error = |text| decode_text("the argument", text).unwrap_err().to_string();
        assert!(error("no frame!").contains("(character '!' at 8)"), "{}", error("no frame!"));
        assert!(error("001").contains("3 hexadecimal digits"));
        assert!(error(" \n").contains("is empty"));
        assert!(error("AB=C").contains("looks like base64"));
    }
}
