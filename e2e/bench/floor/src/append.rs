//! How what was received comes to the disk: one trait, and one file for each way that is compared. A way decides when bytes are written
//! and when they count as kept; where a batch stands in its file is decided before it comes here, so that all ways leave the same bytes.

mod direct;
mod forget;
mod gathered;
mod plain;
pub mod ring;
mod thread;
mod trimmed;
mod writer;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use crate::connection::Connection;
use crate::wire::BASE_OFFSET_BYTES;
use ring::Tail;

/// The most that the system takes in one call (UIO_MAXIOV).
const MAX_SLICES: usize = 1024;

/// A batch at its place: its bytes are `head`, then `rest`.
pub struct Batch<'a> {
    pub log: usize,
    pub position: u64,
    pub head: [u8; BASE_OFFSET_BYTES],
    pub rest: &'a [u8],
    /// Whose buffer holds `rest` until the turn ends, and where.
    pub connection: u64,
    pub at: usize,
}

/// What a reader of a log reads from: its file, and what of it may only be in memory.
pub struct Source {
    pub file: Arc<File>,
    pub tail: Option<RefCell<Tail>>,
}

pub type Connections = HashMap<u64, Connection>;

pub trait Appending {
    /// Creates the file of the next log; logs are counted from 0.
    fn create(&mut self, path: &Path) -> io::Result<Rc<Source>>;

    /// Takes a batch. Answers the ticket that `kept` must reach before it may be acknowledged and read; 0 means that the end of this
    /// turn is enough.
    fn append(&mut self, batch: &Batch<'_>) -> io::Result<u64>;

    /// All that one turn of the loop received has been taken.
    fn end_turn(&mut self, connections: &Connections) -> io::Result<()>;

    /// The ticket up to which everything is kept.
    fn kept(&mut self) -> io::Result<u64> {
        Ok(0)
    }

    /// Has an edge whenever `kept` has moved.
    fn event(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Way {
    #[default]
    Plain,
    Gathered,
    Writer,
    Direct,
    Trimmed,
}

impl Way {
    pub const ALL: [(&str, Self); 5] = [
        ("plain", Self::Plain),
        ("gathered", Self::Gathered),
        ("writer", Self::Writer),
        ("direct", Self::Direct),
        ("trimmed", Self::Trimmed),
    ];

    /// Only the plain way lets old bytes go; `keep_bytes` is how many stay of each file.
    pub fn appending(self, sync: bool, keep_bytes: Option<u64>) -> io::Result<Box<dyn Appending>> {
        Ok(match self {
            Self::Plain => Box::new(plain::Plain::new(sync, keep_bytes)),
            Self::Gathered => Box::new(gathered::Gathered::new(sync)),
            Self::Writer => Box::new(writer::Writer::new(sync)?),
            Self::Trimmed => Box::new(trimmed::Trimmed::new(sync)?),
            Self::Direct => Box::new(direct::Direct::new(sync)?),
        })
    }
}

fn create_file(path: &Path) -> io::Result<Arc<File>> {
    Ok(Arc::new(OpenOptions::new().create_new(true).read(true).write(true).open(path)?))
}

/// Creates the file of the next log, which is read from the file alone.
fn add_source(sources: &mut Vec<Rc<Source>>, path: &Path) -> io::Result<Rc<Source>> {
    let source = Rc::new(Source { file: create_file(path)?, tail: None });
    sources.push(Rc::clone(&source));
    Ok(source)
}

/// Writes all slices one after the other from `position` on.
fn write_at(file: &File, mut position: u64, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0); // leaves out empty ones
    while !slices.is_empty() {
        let some = slices.get(..MAX_SLICES).unwrap_or(slices);
        match rustix::io::pwritev(file, some, position) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::WriteZero, "the disk took no byte of a batch")),
            Ok(count) => {
                position += count as u64;
                IoSlice::advance_slices(&mut slices, count);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Syncs each of the touched logs once, in the order of their numbers.
fn sync_touched(sources: &[Rc<Source>], touched: &mut Vec<usize>) -> io::Result<()> {
    touched.sort_unstable();
    touched.dedup();
    for log in touched.drain(..) {
        if let Some(source) = sources.get(log) {
            source.file.sync_data()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_slices_than_the_system_takes_at_once_are_written_in_order() {
        let path = std::env::temp_dir().join(format!("floor-slices-{}", std::process::id()));
        let file = create_file(&path).unwrap();
        let pieces: Vec<Vec<u8>> = (0..2500_u32).map(|n| vec![(n % 251) as u8; n as usize % 7]).collect();
        let mut slices: Vec<IoSlice> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        write_at(&file, 3, &mut slices).unwrap();
        let written = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(written[..3], [0; 3]);
        assert_eq!(written[3..], pieces.concat());
    }
}
