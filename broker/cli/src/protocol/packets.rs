//! Reads pcap and pcapng files: the TCP segments of each packet, with time and addresses. Keeps nothing between packets.

use std::io::{self, Cursor, Read};
use std::net::SocketAddr;

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};

/// How much of a file is held, in bytes; the largest packets have 256 KiB.
const BUFFER_BYTES: usize = 1 << 20;
/// Interfaces that a file may have.
const INTERFACES_LIMIT: usize = 4096;

/// Why a capture could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error("the capture is damaged at byte {position}: {reason}")]
    Damaged { position: usize, reason: String },
    #[error("the capture has packets of link type {number}; known are Ethernet, Linux cooked, loopback and raw IP")]
    LinkType { number: i32 },
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// One TCP segment.
pub struct Segment<'a> {
    /// Seconds since 1970.
    pub time: f64,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub sequence: u32,
    /// The next byte that the sender waits for, when `is_ack`.
    pub acknowledgment: u32,
    pub is_syn: bool,
    pub is_ack: bool,
    pub is_end: bool,
    pub payload: &'a [u8],
}

/// Where packets of an interface begin, and how their time is counted.
#[derive(Clone, Copy)]
struct Interface {
    link: Linktype,
    ticks_per_second: f64,
}

/// The bytes of the first block of a capture, which its reader wants as a whole, told by its first 12 bytes.
fn first_block_bytes(start: &[u8]) -> u64 {
    const PCAP_HEADER_BYTES: u64 = 24;
    match start {
        [0x0a, 0x0d, 0x0d, 0x0a, length @ .., 0x1a, 0x2b, 0x3c, 0x4d] => length.try_into().map(u32::from_be_bytes),
        [0x0a, 0x0d, 0x0d, 0x0a, length @ .., 0x4d, 0x3c, 0x2b, 0x1a] => length.try_into().map(u32::from_le_bytes),
        _ => return PCAP_HEADER_BYTES,
    }
    .map_or(PCAP_HEADER_BYTES, u64::from)
}

/// Hands every TCP segment of `file` to `take`. Returns true when the file ends within a packet.
pub fn read(
    mut file: Box<dyn Read + Send>,
    take: &mut dyn FnMut(&Segment<'_>) -> io::Result<()>,
) -> Result<bool, CaptureError> {
    let mut start = Vec::new();
    for bytes in [Some(12), None] {
        let wanted = bytes.unwrap_or_else(|| first_block_bytes(&start).saturating_sub(start.len() as u64));
        let read = file.by_ref().take(wanted.min(BUFFER_BYTES as u64)).read_to_end(&mut start);
        read.map_err(|error| CaptureError::Damaged { position: start.len(), reason: error.to_string() })?;
    }
    let file = Cursor::new(start).chain(file);
    let mut reader = create_reader(BUFFER_BYTES, file).map_err(|error| damaged(0, &error))?;
    let mut interfaces = Vec::new();
    loop {
        let position = reader.consumed();
        let read_bytes = match reader.next() {
            Ok((size, block)) => {
                block_segments(&block, &mut interfaces, take)?;
                Some(size)
            }
            Err(PcapError::Eof) => return Ok(false),
            Err(PcapError::Incomplete(_) | PcapError::UnexpectedEof) => None,
            Err(error) => return Err(damaged(position, &error)),
        };
        match read_bytes {
            Some(size) => reader.consume(size),
            None if reader.reader_exhausted() => return Ok(true),
            None => reader.refill().map_err(|error| damaged(position, &error))?,
        }
    }
}

fn damaged(position: usize, error: &PcapError<&[u8]>) -> CaptureError {
    let reason = match error {
        PcapError::HeaderNotRecognized => "this is neither pcap nor pcapng",
        PcapError::BufferTooSmall => "a block of more than 1 MiB",
        PcapError::ReadError => "it cannot be read",
        _ => "a block that is none",
    };
    CaptureError::Damaged { position, reason: reason.to_owned() }
}

fn block_segments(
    block: &PcapBlockOwned<'_>,
    interfaces: &mut Vec<Interface>,
    take: &mut dyn FnMut(&Segment<'_>) -> io::Result<()>,
) -> Result<(), CaptureError> {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let ticks_per_second = if header.is_nanosecond_precision() { 1e9 } else { 1e6 };
            *interfaces = vec![Interface { link: header.network, ticks_per_second }];
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => interfaces.clear(),
        PcapBlockOwned::NG(Block::InterfaceDescription(description)) if interfaces.len() < INTERFACES_LIMIT => {
            let ticks_per_second = description.ts_resolution().unwrap_or(1_000_000).max(1) as f64;
            interfaces.push(Interface { link: description.linktype, ticks_per_second });
        }
        PcapBlockOwned::Legacy(packet) => {
            if let Some(interface) = interfaces.first() {
                let time = f64::from(packet.ts_sec) + f64::from(packet.ts_usec) / interface.ticks_per_second;
                return packet_segment(time, interface.link, packet.data, take);
            }
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            if let Some(interface) = interfaces.get(packet.if_id as usize) {
                let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let time = ticks as f64 / interface.ticks_per_second;
                let data = packet.data.get(..packet.caplen as usize).unwrap_or(packet.data);
                return packet_segment(time, interface.link, data, take);
            }
        }
        PcapBlockOwned::NG(_) => {}
    }
    Ok(())
}

/// Hands on the TCP segment of a packet that has one.
fn packet_segment(
    time: f64,
    link: Linktype,
    data: &[u8],
    take: &mut dyn FnMut(&Segment<'_>) -> io::Result<()>,
) -> Result<(), CaptureError> {
    let header_bytes = match link.0 {
        // Ethernet, which has a header of its own that etherparse knows.
        1 => None,
        // BSD loopback.
        0 | 108 => Some(4),
        // Raw IP, in four numbers.
        12 | 101 | 228 | 229 => Some(0),
        // What `tcpdump -i any` writes, in two versions.
        113 => Some(16),
        276 => Some(20),
        number => return Err(CaptureError::LinkType { number }),
    };
    let packet = match header_bytes {
        None => LaxSlicedPacket::from_ethernet(data).ok(),
        Some(bytes) => LaxSlicedPacket::from_ip(data.get(bytes..).unwrap_or_default()).ok(),
    };
    let Some(LaxSlicedPacket { net: Some(net), transport: Some(TransportSlice::Tcp(tcp)), .. }) = packet else {
        return Ok(());
    };
    let (from, to) = match &net {
        LaxNetSlice::Ipv4(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        LaxNetSlice::Ipv6(ip) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        LaxNetSlice::Arp(_) => return Ok(()),
    };
    take(&Segment {
        time,
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledgment: tcp.acknowledgment_number(),
        is_syn: tcp.syn(),
        is_ack: tcp.ack(),
        is_end: tcp.fin() || tcp.rst(),
        payload: tcp.payload(),
    })?;
    Ok(())
}
