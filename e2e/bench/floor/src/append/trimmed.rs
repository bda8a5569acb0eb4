//! `--append trimmed`: the plain way, and a thread that brings each file to the disk piece by piece and lets the pages of pieces that are
//! there go, so that the page cache takes memory that was just freed instead of memory that nobody has touched for long. Whoever reads
//! further behind than two pieces reads from the disk.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use rustix::fs::{Advice, fadvise};

use super::plain::Plain;
use super::{Appending, Batch, Connections, Source};
use crate::wire::BASE_OFFSET_BYTES;

const PIECE_BYTES: u64 = 16 << 20;
/// How many pieces may wait for the thread; those that find no room go with the next one of their file.
const QUEUED_PIECES: usize = 64;

/// A file, the end of what is to be brought to the disk, and the part whose pages may go after that.
struct Piece {
    file: Arc<File>,
    begin: u64,
    end: u64,
}

struct Log {
    source: Rc<Source>,
    /// Up to where pages have gone, and the end of the last piece.
    gone: u64,
    end: u64,
}

pub struct Trimmed {
    plain: Plain,
    logs: Vec<Log>,
    pieces: SyncSender<Piece>,
}

impl Trimmed {
    pub fn new(sync: bool) -> io::Result<Self> {
        let (pieces, queue) = sync_channel(QUEUED_PIECES);
        std::thread::Builder::new().name("trimmer".into()).spawn(move || trim(&queue))?;
        Ok(Self { plain: Plain::new(sync, None), logs: Vec::new(), pieces })
    }
}

fn trim(queue: &Receiver<Piece>) {
    for Piece { file, begin, end } in queue {
        let gone = file.sync_data().and_then(|()| match NonZeroU64::new(end - begin) {
            Some(length) => Ok(fadvise(&file, begin, Some(length), Advice::DontNeed)?),
            None => Ok(()),
        });
        if let Err(error) = gone {
            eprintln!("floor: the trimmer: {error}");
            return; // the next piece finds nobody, and that ends its connection
        }
    }
}

impl Appending for Trimmed {
    fn create(&mut self, path: &Path) -> io::Result<Rc<Source>> {
        let source = self.plain.create(path)?;
        self.logs.push(Log { source: Rc::clone(&source), gone: 0, end: 0 });
        Ok(source)
    }

    fn append(&mut self, batch: &Batch<'_>) -> io::Result<u64> {
        let ticket = self.plain.append(batch)?;
        let end = batch.position + (BASE_OFFSET_BYTES + batch.rest.len()) as u64;
        if let Some(log) = self.logs.get_mut(batch.log).filter(|log| end - log.end >= PIECE_BYTES) {
            // The pages of the last piece stay for the readers at the tail.
            let piece = Piece { file: Arc::clone(&log.source.file), begin: log.gone, end: log.end };
            match self.pieces.try_send(piece) {
                Ok(()) => (log.gone, log.end) = (log.end, end),
                Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Disconnected(_)) => return Err(io::Error::other("nobody trims")),
            }
        }
        Ok(ticket)
    }

    fn end_turn(&mut self, connections: &Connections) -> io::Result<()> {
        self.plain.end_turn(connections)
    }
}
