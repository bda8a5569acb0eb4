//! Frames and sockets: length-prefixed frames in, lists of segments (bytes or file regions) out. Knows no API and no Kafka type.

mod frame;
mod listen;
mod piece;
#[cfg(feature = "simulated")]
pub mod simulated;
mod stream;
mod write;

pub use frame::{FrameError, FrameReader};
pub use listen::{Listening, bind};
pub use stream::{Acceptor, Detached, ReadHalf, Stream, WriteHalf};
pub use write::{Blocking, InPlace, write_segments};
