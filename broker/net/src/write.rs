//! Writes a reply that may contain regions of files. A region that comes up short is an error: half a reply was sent,
//! so the connection must be closed. What is not in memory is read where the caller says that one may wait.

use std::future::Future;
use std::io;

use barnabas_types::{Segment, Segments};
use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::piece::Piece;

/// Where work may wait for a disk.
pub trait Blocking: Sync {
    /// Runs `work` there. An error says that it was not run to its end.
    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + Send;
}

/// On the thread that calls, for those who have nothing else to do.
#[derive(Clone, Copy, Debug)]
pub struct InPlace;

impl Blocking for InPlace {
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        Ok(work())
    }
}

/// Sends all segments in their order. Regions of files are copied through memory that is used again and again, together with the bytes
/// before and behind them: fewer and larger packets, and less work than `sendfile`. What the page cache does not hold is read where
/// `blocking` says.
///
/// # Errors
/// The socket's error, or `UnexpectedEof` when a file ends before its region does; the stream is broken then.
pub async fn write_segments<W>(stream: &mut W, segments: Segments, blocking: &impl Blocking) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    if segments.iter().all(|segment| matches!(segment, Segment::Bytes(_))) {
        return write_bytes(stream, segments).await;
    }
    let mut piece = Piece::take();
    for segment in segments {
        match segment {
            Segment::Bytes(bytes) => piece.add(stream, &bytes).await?,
            Segment::File(region) => piece.add_region(stream, region, blocking).await?,
        }
    }
    piece.send(stream).await
}

async fn write_bytes(stream: &mut (impl AsyncWrite + Unpin), segments: Segments) -> io::Result<()> {
    let bytes = segments.into_iter().filter_map(|segment| match segment {
        Segment::Bytes(bytes) => Some(bytes),
        Segment::File(_) => None,
    });
    let run: Vec<Bytes> = bytes.collect();
    if let [only] = run.as_slice() {
        return stream.write_all(only).await;
    }
    let mut slices: Vec<io::IoSlice<'_>> = run.iter().map(|bytes| io::IoSlice::new(bytes)).collect();
    let mut rest = slices.as_mut_slice();
    io::IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        let written = stream.write_vectored(rest).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        io::IoSlice::advance_slices(&mut rest, written);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::sync::Arc;

    use barnabas_types::FileRegion;
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn sent(list: Vec<Segment>) -> (io::Result<()>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (_, mut sender) = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap().into_split();
        let (mut receiver, _) = listener.accept().await.unwrap();
        let mut segments = Segments::default();
        list.into_iter().for_each(|segment| segments.push(segment));
        let writer = async move {
            let result = write_segments(&mut sender, segments, &InPlace).await;
            drop(sender);
            result
        };
        let mut received = Vec::new();
        let (result, read) = tokio::join!(writer, receiver.read_to_end(&mut received));
        read.unwrap();
        (result, received)
    }

    fn file(content: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Arc::new(file)
    }

    #[tokio::test]
    async fn bytes_and_regions_arrive_in_order() {
        let big = vec![7_u8; 3 << 20];
        let list = vec![
            Segment::Bytes("head ".into()),
            Segment::Bytes("".into()),
            Segment::Bytes("more ".into()),
            Segment::File(FileRegion { file: file(b"0123456789"), position: 2, length: 5 }),
            Segment::File(FileRegion { file: file(&big), position: 0, length: big.len() }),
            Segment::Bytes(" tail".into()),
        ];
        let (result, received) = sent(list).await;
        result.unwrap();
        assert_eq!(received, [b"head more 23456".as_slice(), &big, b" tail"].concat());
    }

    #[tokio::test]
    async fn a_region_past_the_end_of_its_file_is_an_error() {
        let (result, received) =
            sent(vec![Segment::File(FileRegion { file: file(b"0123"), position: 2, length: 5 })]).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(received, b"");
    }

    /// Takes what is in the page cache away first, so that the region must come from the disk.
    #[tokio::test]
    async fn what_is_not_in_memory_is_read_where_one_may_wait() {
        #[derive(Default)]
        struct Counted(std::sync::atomic::AtomicUsize);
        impl Blocking for Counted {
            async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
            }
        }
        let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_be_bytes).collect();
        let file = file(&content);
        file.sync_all().unwrap();
        rustix::fs::fadvise(&*file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        // A file system of memory has nothing to take away.
        let mut byte = [0];
        let probe = [io::IoSliceMut::new(&mut byte)];
        let cold = rustix::io::preadv2(&*file, &mut { probe }, 1000, rustix::io::ReadWriteFlags::NOWAIT).is_err();
        let mut segments = Segments::from(Bytes::from_static(b"head "));
        segments.push(Segment::File(FileRegion { file, position: 1000, length: content.len() - 2000 }));
        let (blocking, mut written) = (Counted::default(), Vec::new());
        write_segments(&mut written, segments, &blocking).await.unwrap();
        assert!(written == [b"head ", &content[1000..content.len() - 1000]].concat());
        assert_eq!(blocking.0.into_inner() > 0, cold);
    }
}
