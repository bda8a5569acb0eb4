//! What is put together before it is sent: bytes and regions of files, in memory that each thread uses again and again. Holds no more
//! than one piece of a reply, however large the reply is.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::num::NonZero;
use std::sync::Arc;

use barnabas_types::FileRegion;
use rustix::fs::Advice;
use rustix::io::{Errno, ReadWriteFlags};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::write::Blocking;

/// The size of a piece: small enough to stay in a processor's own cache between the two copies.
const PIECE_BYTES: usize = 64 * 1024;
/// How many pieces a thread keeps while they are not used.
const KEPT: usize = 4;
/// How much of a region is asked of the disk at once when it is not in memory.
const READ_AHEAD_BYTES: u64 = 1 << 20;

thread_local! {
    static FREE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A part of a reply on its way out.
pub(crate) struct Piece {
    memory: Vec<u8>,
    filled: usize,
}

impl Drop for Piece {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        FREE.with_borrow_mut(|free| {
            if free.len() < KEPT && memory.len() == PIECE_BYTES {
                free.push(memory);
            }
        });
    }
}

impl Piece {
    /// An empty one.
    pub(crate) fn take() -> Self {
        let free = FREE.with_borrow_mut(Vec::pop);
        Self { memory: free.unwrap_or_else(|| vec![0; PIECE_BYTES]), filled: 0 }
    }

    /// Adds `bytes`, sending what does not fit.
    pub(crate) async fn add(&mut self, stream: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.filled == self.memory.len() {
                self.send(stream).await?;
            }
            let room = self.memory.get_mut(self.filled..).unwrap_or_default();
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            if let Some(place) = room.get_mut(..now.len()) {
                place.copy_from_slice(now);
            }
            self.filled += now.len();
            bytes = later;
        }
        Ok(())
    }

    /// Adds a region, sending what does not fit.
    pub(crate) async fn add_region(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        region: FileRegion,
        blocking: &impl Blocking,
    ) -> io::Result<()> {
        let end = region.position.saturating_add(region.length as u64);
        let mut position = region.position;
        while position < end {
            if self.filled == self.memory.len() {
                self.send(stream).await?;
            }
            let left = usize::try_from(end - position).unwrap_or(usize::MAX);
            let until = self.filled.saturating_add(left).min(self.memory.len());
            let room = self.memory.get_mut(self.filled..until).unwrap_or_default();
            let read = match read_cached(&region.file, room, position) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.read_cold(&region.file, (position, end), until, blocking).await?
                }
                read => read?,
            };
            if read == 0 {
                return Err(short_region(&region, position));
            }
            self.filled += read;
            position += read as u64;
        }
        Ok(())
    }

    /// Reads up to index `until` of the memory, from `position` of a file that is wanted up to `end`.
    async fn read_cold(
        &mut self,
        file: &Arc<File>,
        (position, end): (u64, u64),
        until: usize,
        blocking: &impl Blocking,
    ) -> io::Result<usize> {
        let (file, filled) = (Arc::clone(file), self.filled);
        let mut memory = std::mem::take(&mut self.memory);
        let (memory, read) = blocking
            .run(move || {
                if let Some(ahead) = NonZero::new((end - position).min(READ_AHEAD_BYTES)) {
                    // A hint: where it is not taken, the read does the same piece by piece.
                    _ = rustix::fs::fadvise(&*file, position, Some(ahead), Advice::WillNeed);
                }
                let read = read_waiting(&file, memory.get_mut(filled..until).unwrap_or_default(), position);
                (memory, read)
            })
            .await?;
        self.memory = memory;
        read
    }

    /// Sends what it holds.
    pub(crate) async fn send(&mut self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let filled = std::mem::take(&mut self.filled);
        stream.write_all(self.memory.get(..filled).unwrap_or_default()).await
    }
}

/// Reads what is in the page cache; `WouldBlock` when nothing is. Where the file system cannot tell, reads and waits.
fn read_cached(file: &File, room: &mut [u8], position: u64) -> io::Result<usize> {
    loop {
        match rustix::io::preadv2(file, &mut [IoSliceMut::new(room)], position, ReadWriteFlags::NOWAIT) {
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => return read_waiting(file, room, position),
            read => return read.map_err(io::Error::from),
        }
    }
}

fn read_waiting(file: &File, room: &mut [u8], position: u64) -> io::Result<usize> {
    rustix::io::retry_on_intr(|| rustix::io::pread(file, &mut *room, position)).map_err(io::Error::from)
}

fn short_region(region: &FileRegion, end: u64) -> io::Error {
    let message = format!("file region of {} bytes at {} ends at {end}", region.length, region.position);
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}
