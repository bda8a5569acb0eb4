//! Puts the bytes of one direction of a TCP connection back in order. Pure: segments in, pieces out. Looks into no byte.

use std::collections::BTreeMap;

/// Bytes that may wait for others before them. TCP windows are smaller, so that what is still missing was not captured.
const EARLY_LIMIT_BYTES: usize = 4 << 20;

/// What comes next in a direction.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// The next bytes.
    Bytes(Vec<u8>),
    /// So many bytes were sent but not captured.
    Missing(u64),
}

/// One direction of a connection.
#[derive(Default)]
pub struct Direction {
    /// Where the next byte belongs: its sequence number, counted on past 32 bits.
    next: Option<u64>,
    /// What came before its turn.
    early: BTreeMap<u64, Vec<u8>>,
    early_bytes: usize,
}

impl Direction {
    /// The first byte will have this sequence number.
    pub fn start(&mut self, sequence: u32) {
        // From 2^32 on, so that what lies before the first byte has a place below it.
        self.next = Some((1 << 32) + u64::from(sequence));
    }

    /// Bytes that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.early_bytes
    }

    /// Takes a segment; returns what is in order now. Bytes that were there before are left out.
    pub fn push(&mut self, sequence: u32, payload: &[u8]) -> Vec<Piece> {
        if self.next.is_none() {
            self.start(sequence);
        }
        self.keep(self.place(sequence), payload);
        let mut pieces = Vec::new();
        self.take_in_order(&mut pieces);
        while self.early_bytes > EARLY_LIMIT_BYTES {
            self.skip_gap(&mut pieces);
        }
        pieces
    }

    /// The receiver has everything before `sequence`: what is missing there was not captured and will not come.
    pub fn acknowledged(&mut self, sequence: u32) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while self.early.keys().next().is_some_and(|first| *first < self.place(sequence)) {
            self.skip_gap(&mut pieces);
        }
        pieces
    }

    /// Where the byte with this sequence number belongs. They count modulo 2^32: the nearer of before and after is meant.
    fn place(&self, sequence: u32) -> u64 {
        let next = self.next.unwrap_or_default();
        next.saturating_add_signed(sequence.wrapping_sub(next as u32).cast_signed().into())
    }

    /// The end: returns what still waits, with the gaps before it.
    pub fn finish(&mut self) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while !self.early.is_empty() {
            self.skip_gap(&mut pieces);
        }
        pieces
    }

    fn keep(&mut self, place: u64, payload: &[u8]) {
        let longer = self.early.get(&place).is_none_or(|before| before.len() < payload.len());
        if longer && !payload.is_empty() {
            let before = self.early.insert(place, payload.to_vec()).map_or(0, |before| before.len());
            self.early_bytes = self.early_bytes.saturating_add(payload.len()).saturating_sub(before);
        }
    }

    /// Moves what is in order from `early` to `pieces`.
    fn take_in_order(&mut self, pieces: &mut Vec<Piece>) {
        while let Some(first) = self.early.first_entry() {
            let next = self.next.unwrap_or_default();
            let Some(known) = next.checked_sub(*first.key()) else { return };
            let mut bytes = first.remove();
            self.early_bytes = self.early_bytes.saturating_sub(bytes.len());
            bytes.drain(..bytes.len().min(usize::try_from(known).unwrap_or(usize::MAX)));
            if !bytes.is_empty() {
                self.next = Some(next.saturating_add(bytes.len() as u64));
                pieces.push(Piece::Bytes(bytes));
            }
        }
    }

    /// Gives up what lies before the earliest bytes that wait.
    fn skip_gap(&mut self, pieces: &mut Vec<Piece>) {
        if let Some(place) = self.early.keys().next().copied() {
            let missing = place.saturating_sub(self.next.unwrap_or_default());
            if missing > 0 {
                pieces.push(Piece::Missing(missing));
            }
            self.next = Some(place);
            self.take_in_order(pieces);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(pieces: Vec<Piece>) -> Vec<u8> {
        let pieces = pieces.into_iter().map(|piece| match piece {
            Piece::Bytes(bytes) => bytes,
            Piece::Missing(count) => panic!("{count} bytes are missing"),
        });
        pieces.flatten().collect()
    }

    #[test]
    fn segments_come_out_in_order_and_once_across_the_end_of_the_numbers() {
        let mut direction = Direction::default();
        direction.start(u32::MAX - 1);
        assert_eq!(bytes(direction.push(1, b"def")), b"");
        assert_eq!(bytes(direction.push(u32::MAX - 1, b"abc")), b"abcdef");
        assert_eq!(bytes(direction.push(u32::MAX, b"bcdefg")), b"g");
        assert_eq!(bytes(direction.push(u32::MAX - 1, b"abc")), b"");
        assert_eq!((direction.waiting_bytes(), direction.finish()), (0, vec![]));
    }

    #[test]
    fn what_never_came_is_told_at_the_end_or_when_too_much_waits_for_it() {
        let mut direction = Direction::default();
        assert_eq!(bytes(direction.push(10, b"a")), b"a");
        assert_eq!(direction.push(14, b"e"), []);
        assert_eq!(direction.finish(), [Piece::Missing(3), Piece::Bytes(b"e".to_vec())]);
        assert_eq!(direction.push(17, b"h"), []);
        assert_eq!(direction.acknowledged(17), []);
        assert_eq!(direction.acknowledged(18), [Piece::Missing(2), Piece::Bytes(b"h".to_vec())]);
        let chunk = vec![7; 1 << 20];
        let pieces: Vec<_> = (0..5_u32).flat_map(|index| direction.push(20 + (index << 20), &chunk)).collect();
        assert_eq!((pieces.first(), pieces.len()), (Some(&Piece::Missing(2)), 6));
        assert_eq!(direction.waiting_bytes(), 0);
    }
}
