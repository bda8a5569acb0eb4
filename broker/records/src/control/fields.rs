//! The few field types of the quorum's control messages. Not a protocol library: the wire messages have their own crate,
//! on which this one may not depend.

use barnabas_types::Uuid;

/// Takes fields off the front of a value; `None` where it ends too soon.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn bytes(&mut self, count: usize) -> Option<&[u8]> {
        let (field, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(field)
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    pub(super) fn uuid(&mut self) -> Option<Uuid> {
        self.take().map(Uuid)
    }

    fn unsigned_varint(&mut self) -> Option<usize> {
        let mut value = 0_u64;
        for index in 0..5 {
            let [byte] = self.take()?;
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return usize::try_from(value).ok();
            }
        }
        None
    }

    /// A compact string; null is damage here.
    pub(super) fn string(&mut self) -> Option<String> {
        let length = self.unsigned_varint()?.checked_sub(1)?;
        String::from_utf8(self.bytes(length)?.to_vec()).ok()
    }

    /// A compact array. Grows with what is read: a declared count reserves nothing.
    pub(super) fn array<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.unsigned_varint()?.checked_sub(1)?;
        let mut values = Vec::new();
        for _ in 0..count {
            values.push(read(self)?);
        }
        Some(values)
    }

    pub(super) fn skip_tags(&mut self) -> Option<()> {
        for _ in 0..self.unsigned_varint()? {
            let _tag = self.unsigned_varint()?;
            let length = self.unsigned_varint()?;
            self.bytes(length)?;
        }
        Some(())
    }
}

/// Puts fields behind each other.
#[derive(Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn i16(&mut self, value: i16) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    pub(super) fn uuid(&mut self, value: Uuid) {
        self.0.extend_from_slice(&value.0);
    }

    fn unsigned_varint(&mut self, value: usize) {
        let mut rest = value;
        while rest >= 0x80 {
            self.0.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.0.push(rest as u8);
    }

    pub(super) fn string(&mut self, value: &str) {
        self.unsigned_varint(value.len() + 1);
        self.0.extend_from_slice(value.as_bytes());
    }

    pub(super) fn array<T>(&mut self, values: &[T], mut put: impl FnMut(&mut Self, &T)) {
        self.unsigned_varint(values.len() + 1);
        for value in values {
            put(self, value);
        }
    }

    /// The empty list of tags that ends a flexible struct.
    pub(super) fn no_tags(&mut self) {
        self.unsigned_varint(0);
    }
}
