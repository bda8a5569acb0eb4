//! What goes out on a connection: a list of segments, each bytes in memory or a region of a file. Here because the log makes regions, the protocol
//! puts frames around them and the network sends them. Does no I/O itself.

use std::fs::File;
use std::iter::Chain;
use std::sync::Arc;
use std::{option, slice, vec};

use bytes::Bytes;

/// A part of a file that is sent as it is. Holds the file open, so that a segment deleted meanwhile can still be read.
#[derive(Clone, Debug)]
pub struct FileRegion {
    /// The open file.
    pub file: Arc<File>,
    /// Where the region begins, in bytes from the start of the file.
    pub position: u64,
    /// How many bytes it has.
    pub length: usize,
}

impl PartialEq for FileRegion {
    /// Two regions are the same when they are the same bytes of the same open file.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.file, &other.file) && self.position == other.position && self.length == other.length
    }
}

impl Eq for FileRegion {}

/// One contiguous piece of what is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes in a file.
    File(FileRegion),
}

impl Segment {
    /// How many bytes the segment has.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(region) => region.length,
        }
    }

    /// True when there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Segments in the order in which they are sent. None of them is empty. A single one takes no memory of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    first: Option<Segment>,
    more: Vec<Segment>,
    length: usize,
}

impl Segments {
    /// No segments yet, with room for `count`.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self { first: None, more: Vec::with_capacity(count.saturating_sub(1)), length: 0 }
    }

    /// Adds `segment` at the end; an empty one is left out.
    #[inline]
    pub fn push(&mut self, segment: Segment) {
        if segment.is_empty() {
            return;
        }
        self.length = self.length.saturating_add(segment.len());
        match self.first {
            None => self.first = Some(segment),
            Some(_) => self.more.push(segment),
        }
    }

    /// How many bytes all segments have together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// True when there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The segments in order.
    pub fn iter(&self) -> <&Self as IntoIterator>::IntoIter {
        self.first.iter().chain(&self.more)
    }
}

impl From<Bytes> for Segments {
    fn from(bytes: Bytes) -> Self {
        let mut segments = Self::default();
        segments.push(Segment::Bytes(bytes));
        segments
    }
}

impl IntoIterator for Segments {
    type Item = Segment;
    type IntoIter = Chain<option::IntoIter<Segment>, vec::IntoIter<Segment>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.more)
    }
}

impl<'a> IntoIterator for &'a Segments {
    type Item = &'a Segment;
    type IntoIter = Chain<option::Iter<'a, Segment>, slice::Iter<'a, Segment>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_segments_are_left_out_and_lengths_add_up() {
        let mut segments = Segments::from(Bytes::new());
        assert!(segments.is_empty());
        segments.push(Segment::Bytes(Bytes::from_static(b"abc")));
        let file = Arc::new(File::open("/dev/null").unwrap());
        segments.push(Segment::File(FileRegion { file, position: 7, length: 4 }));
        assert_eq!((segments.len(), segments.iter().count()), (7, 2));
    }
}
