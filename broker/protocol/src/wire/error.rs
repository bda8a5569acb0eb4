//! What can be wrong with bytes that were read or with a message that is to be written. Both errors name the message, its version and the field.

use std::fmt;

use super::VersionRange;

/// Why bytes could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeFault {
    /// The frame ends before the value does.
    #[error("{needed} bytes are needed but {remaining} remain")]
    Truncated {
        /// Bytes the value takes.
        needed: usize,
        /// Bytes left in the frame, or in the tagged field.
        remaining: usize,
    },
    /// A length or count below the one that stands for null.
    #[error("length {length} is negative")]
    NegativeLength {
        /// The length as written.
        length: i64,
    },
    /// More elements are declared than bytes remain.
    #[error("{count} elements are declared but only {remaining} bytes remain")]
    CountBeyondFrame {
        /// The declared count.
        count: usize,
        /// Bytes left.
        remaining: usize,
    },
    /// Lists of elements that are tiny in the frame and large in memory.
    #[error("lists take more than {times} times the memory of the frame")]
    TooManyElements {
        /// How many times the frame's size they may take.
        times: usize,
    },
    /// Null where this version has no null.
    #[error("null is not allowed here")]
    Null,
    /// A variable-length number that does not end within its longest form.
    #[error("a variable-length number of more than {max_bytes} bytes")]
    VarintTooLong {
        /// The longest form, in bytes.
        max_bytes: usize,
    },
    /// A tagged field whose declared size is not the size of what it holds.
    #[error("tagged field {tag} declares {declared} bytes but holds {actual}")]
    TagSize {
        /// The field's tag.
        tag: u32,
        /// The size before the field.
        declared: usize,
        /// Bytes that the field's value took.
        actual: usize,
    },
    /// The marker before a structure that may be null is neither -1 nor 1.
    #[error("presence marker {marker} is neither -1 (null) nor 1 (present)")]
    PresenceMarker {
        /// The marker as written.
        marker: i8,
    },
    /// The message has no such version.
    #[error("the version is not among {supported}")]
    UnsupportedVersion {
        /// What the message has.
        supported: VersionRange,
    },
    /// No API or record type has this number.
    #[error("no {what} has the number {number}")]
    UnknownNumber {
        /// What was looked for: an API key, a record type.
        what: &'static str,
        /// The number as read.
        number: i64,
    },
    /// Bytes are left where the value should have been the last.
    #[error("{remaining} bytes follow the end")]
    TrailingBytes {
        /// Bytes left.
        remaining: usize,
    },
}

/// Bytes could not be read as the message they were said to be. The frame is of no further use; the connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(Box<Located<DecodeFault>>);

/// Why a message could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeFault {
    /// The version has no such field and the field may not be left out in silence.
    #[error("the field has a value but does not exist in this version; leave it at its default or use a later version")]
    FieldNotInVersion,
    /// Null where this version has no null.
    #[error("null is not allowed here in this version")]
    Null,
    /// Longer than its length prefix, or a frame, can say.
    #[error("length {length} is above {max}")]
    TooLong {
        /// The length in bytes or elements.
        length: usize,
        /// The longest that can be written.
        max: usize,
    },
    /// Large records or a region of a file where one piece of memory is asked for.
    #[error("the record batches in it are too large, or in a file, and cannot become one piece of memory")]
    NotContiguous,
    /// Tagged fields in a version that is not flexible.
    #[error("unknown tagged fields cannot be written in a version without tagged fields")]
    TagsInInflexibleVersion,
    /// The message has no such version.
    #[error("the version is not among {supported}")]
    UnsupportedVersion {
        /// What the message has.
        supported: VersionRange,
    },
}

/// A message could not be written: the message and the version chosen for it do not fit, which is the caller's mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodeError(Box<Located<EncodeFault>>);

/// A fault and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Located<F> {
    fault: F,
    message: &'static str,
    version: i16,
    /// Bytes from the start of the frame.
    position: Option<usize>,
    /// Fields and indexes, the innermost first.
    path: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Field(&'static str),
    Index(usize),
}

impl<F> Located<F> {
    fn new(fault: F, position: Option<usize>) -> Box<Self> {
        Box::new(Self { fault, message: "", version: -1, position, path: Vec::new() })
    }
}

impl<F: fmt::Display> fmt::Display for Located<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.message.is_empty() {
            write!(f, "{} version {}", self.message, self.version)?;
            if !self.path.is_empty() {
                f.write_str(", field ")?;
            }
        }
        for (depth, step) in self.path.iter().rev().enumerate() {
            match step {
                Step::Field(name) if depth == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        if let Some(position) = self.position {
            let comma = if self.message.is_empty() && self.path.is_empty() { "" } else { ", " };
            write!(f, "{comma}byte {position}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

macro_rules! located_error {
    ($name:ident, $fault:ident) => {
        impl $name {
            /// What was wrong.
            #[must_use]
            pub fn fault(&self) -> &$fault {
                &self.0.fault
            }

            /// The same error, found in field `name` of the structure around it.
            #[must_use]
            #[cold]
            pub fn within(mut self, name: &'static str) -> Self {
                self.0.path.push(Step::Field(name));
                self
            }

            /// The same error, found in element `index` of the list around it.
            #[must_use]
            #[cold]
            pub(crate) fn at_index(mut self, index: usize) -> Self {
                self.0.path.push(Step::Index(index));
                self
            }

            /// The same error, found in version `version` of `message`.
            #[must_use]
            #[cold]
            pub(crate) fn in_message(mut self, message: &'static str, version: i16) -> Self {
                self.0.message = message;
                self.0.version = version;
                self
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::error::Error for $name {}
    };
}

located_error!(DecodeError, DecodeFault);
located_error!(EncodeError, EncodeFault);

impl DecodeError {
    /// `fault`, found `position` bytes from the start of the frame.
    #[cold]
    #[inline(never)]
    pub(crate) fn new(fault: DecodeFault, position: usize) -> Self {
        Self(Located::new(fault, Some(position)))
    }

    /// Where in the frame the fault is, in bytes from its start.
    #[must_use]
    pub fn position(&self) -> usize {
        self.0.position.unwrap_or_default()
    }
}

impl EncodeError {
    /// `fault`, not yet said where.
    #[must_use]
    #[cold]
    pub fn new(fault: EncodeFault) -> Self {
        Self(Located::new(fault, None))
    }
}
