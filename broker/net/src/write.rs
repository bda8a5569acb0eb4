//! Writes a reply that may contain regions of files. A region that comes up short is an error: half a reply was sent,
//! so the connection must be closed.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use barnabas_types::{FileRegion, Segment, Segments};
use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::TcpStream;

/// Sends all segments in their order. File regions go from the page cache to the socket without passing through user memory.
///
/// # Errors
/// The socket's error, or `UnexpectedEof` when a file ends before its region does; the stream is broken then.
pub async fn write_segments<W>(stream: &mut W, segments: Segments) -> io::Result<()>
where
    W: AsyncWrite + AsRef<TcpStream> + Unpin,
{
    let mut run: Vec<Bytes> = Vec::new();
    for segment in segments {
        match segment {
            Segment::Bytes(bytes) => run.push(bytes),
            Segment::File(FileRegion { file, position, length }) => {
                write_run(stream, &mut run).await?;
                send_region((*stream).as_ref(), &file, position, length).await?;
            }
        }
    }
    write_run(stream, &mut run).await
}

async fn write_run(stream: &mut (impl AsyncWrite + Unpin), run: &mut Vec<Bytes>) -> io::Result<()> {
    if let [only] = run.as_slice() {
        stream.write_all(only).await?;
    } else {
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
    }
    run.clear();
    Ok(())
}

async fn send_region(stream: &TcpStream, file: &File, position: u64, length: usize) -> io::Result<()> {
    let mut offset = position;
    let end = position.saturating_add(length as u64);
    while offset < end {
        stream.writable().await?;
        let count = usize::try_from(end - offset).unwrap_or(usize::MAX);
        let sent = stream.try_io(Interest::WRITABLE, || {
            rustix::fs::sendfile(stream.as_fd(), file.as_fd(), Some(&mut offset), count).map_err(io::Error::from)
        });
        match sent {
            Ok(0) => return Err(short_region(position, length, offset)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn short_region(position: u64, length: usize, offset: u64) -> io::Error {
    let message = format!("file region of {length} bytes at {position} ends at {offset}");
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    async fn sent(list: Vec<Segment>) -> (io::Result<()>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (_, mut sender) = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap().into_split();
        let (mut receiver, _) = listener.accept().await.unwrap();
        let mut segments = Segments::default();
        list.into_iter().for_each(|segment| segments.push(segment));
        let writer = async move {
            let result = write_segments(&mut sender, segments).await;
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
        assert_eq!(received, b"23");
    }
}
