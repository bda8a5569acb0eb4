//! The few fields of Kafka's requests that the floor looks at, and the replies it gives. Serves one version of each API, checks no CRC
//! and no rule, and never looks into a batch beyond its record count: it is the cost below which no broker can go.

pub const PRODUCE: i16 = 0;
pub const FETCH: i16 = 1;
pub const LIST_OFFSETS: i16 = 2;
pub const METADATA: i16 = 3;
pub const API_VERSIONS: i16 = 18;

/// The one version served of each API: the last before the flexible ones, or the simplest that knows record batches.
const SERVED: &[(i16, i16)] = &[(PRODUCE, 7), (FETCH, 4), (LIST_OFFSETS, 1), (METADATA, 4), (API_VERSIONS, 0)];
const UNSUPPORTED_VERSION: i16 = 35;
/// What a record batch begins with: its base offset, which the one who appends it decides.
pub const BASE_OFFSET_BYTES: usize = 8;
/// Where a record batch keeps `lastOffsetDelta`.
const LAST_OFFSET_DELTA: std::ops::Range<usize> = 23..27;

/// What is left to read of a frame. `None` means that the frame is shorter than it says.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn i8(&mut self) -> Option<i8> {
        self.array().map(i8::from_be_bytes)
    }

    pub fn i16(&mut self) -> Option<i16> {
        self.array().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_be_bytes)
    }

    /// A string, or nothing where it is null.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.i16()?;
        self.take(usize::try_from(length).unwrap_or(0))
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.i32()?;
        self.take(usize::try_from(length).unwrap_or(0))
    }
}

/// How many offsets the batch takes.
pub fn offsets_of(batch: &[u8]) -> Option<u64> {
    let delta = i32::from_be_bytes(batch.get(LAST_OFFSET_DELTA)?.try_into().ok()?);
    u64::try_from(delta).ok()?.checked_add(1)
}

/// A reply under construction. Its length is filled in when it is sent.
pub struct Reply(pub Vec<u8>);

impl Reply {
    pub fn to(correlation_id: i32) -> Self {
        let mut reply = Self(Vec::with_capacity(128));
        reply.i32(0).i32(correlation_id);
        reply
    }

    pub fn i16(&mut self, value: i16) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn string(&mut self, value: &[u8]) -> &mut Self {
        self.i16(i16::try_from(value.len()).unwrap_or(i16::MAX));
        self.0.extend_from_slice(value);
        self
    }

    /// Sets the length in front of the frame, where `beyond` further bytes follow this part.
    pub fn finish(mut self, beyond: u64) -> Vec<u8> {
        let length = (self.0.len() as u64).saturating_sub(4).saturating_add(beyond);
        if let Some(field) = self.0.get_mut(..4) {
            field.copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        }
        self.0
    }
}

/// The answer to ApiVersions of any version: what is served, in version 0, which every client reads.
pub fn api_versions(correlation_id: i32, asked: i16) -> Vec<u8> {
    let mut reply = Reply::to(correlation_id);
    reply.i16(if asked == 0 { 0 } else { UNSUPPORTED_VERSION }).i32(SERVED.len() as i32);
    for (api, version) in SERVED {
        reply.i16(*api).i16(*version).i16(*version);
    }
    reply.finish(0)
}

/// Whether a request of this API and version is one that the floor reads.
pub fn is_served(api: i16, version: i16) -> bool {
    api == API_VERSIONS || SERVED.contains(&(api, version))
}

/// One broker that leads `partitions` partitions of every topic that is asked for.
pub fn metadata(correlation_id: i32, port: u16, partitions: u32, request: &mut Fields<'_>) -> Option<Vec<u8>> {
    let mut reply = Reply::to(correlation_id);
    const NULL: i16 = -1;
    reply.i32(0).i32(1).i32(1).string(b"127.0.0.1").i32(i32::from(port)).i16(NULL).i16(NULL).i32(1);
    let topics = request.i32()?.max(0);
    reply.i32(topics);
    for _ in 0..topics {
        reply.i16(0).string(request.string()?);
        reply.0.push(0);
        reply.i32(i32::try_from(partitions).ok()?);
        for partition in 0..i32::try_from(partitions).ok()? {
            reply.i16(0).i32(partition).i32(1).i32(1).i32(1).i32(1).i32(1);
        }
    }
    Some(reply.finish(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_shorter_than_it_says_is_refused() {
        assert_eq!(Fields(&[0, 5, b'a']).string(), None);
        assert_eq!(Fields(&[0, 1, b'a']).string(), Some(&b"a"[..]));
        assert_eq!(Fields(&[255, 255, b'a']).string(), Some(&b""[..]), "null is empty");
    }

    #[test]
    fn the_length_of_a_reply_counts_what_follows_it() {
        let mut reply = Reply::to(7);
        reply.i16(1);
        assert_eq!(reply.finish(100), [0, 0, 0, 106, 0, 0, 0, 7, 0, 1]);
    }

    #[test]
    fn a_batch_takes_one_offset_more_than_its_last_delta() {
        let mut batch = [0; 61];
        batch[26] = 9;
        assert_eq!(offsets_of(&batch), Some(10));
        assert_eq!(offsets_of(&batch[..20]), None);
    }
}
