//! Frames and sockets: length-prefixed frames in, lists of segments (bytes or file regions) out. Knows no API and no Kafka type.

mod frame;
mod listen;
mod piece;
mod write;

pub use frame::{FrameError, FrameReader};
pub use listen::{Listening, bind};
pub use write::{Blocking, InPlace, write_segments};
