//! The wire primitives: what they write, what they refuse, and that what they refuse costs no memory.

use std::borrow::Cow;
use std::sync::Arc;

use barnabas_types::{FileRegion, Segment, Segments};
use bytes::Bytes;

use super::*;

const FIXED: Version = Version { number: 0, flexible: false };
const COMPACT: Version = Version { number: 9, flexible: true };

fn written<T: Encode>(value: &T, at: Version) -> Vec<u8> {
    contiguous(segments(value, at))
}

fn segments<T: Encode>(value: &T, at: Version) -> Segments {
    let mut size = Size::default();
    value.write(&mut size, at).unwrap();
    let mut writer = SegmentWriter::for_size(size);
    value.write(&mut writer, at).unwrap();
    let segments = writer.finish();
    assert_eq!(segments.len(), size.total());
    segments
}

fn contiguous(segments: Segments) -> Vec<u8> {
    let mut bytes = Vec::new();
    for segment in segments {
        match segment {
            Segment::Bytes(more) => bytes.extend_from_slice(&more),
            Segment::File(_) => panic!("a file region where bytes were expected"),
        }
    }
    bytes
}

fn fault<'a, T: Decode<'a> + std::fmt::Debug>(bytes: &'a [u8], at: Version) -> DecodeFault {
    T::read(&mut Reader::new(bytes), at).unwrap_err().fault().clone()
}

#[test]
fn strings_have_a_length_of_two_bytes_or_a_compact_one() {
    let text = Cow::Borrowed("né");
    assert_eq!(written(&text, FIXED), [0, 3, b'n', 0xc3, 0xa9]);
    assert_eq!(written(&text, COMPACT), [4, b'n', 0xc3, 0xa9]);
    assert_eq!(written(&None::<Cow<'_, str>>, FIXED), [0xff, 0xff]);
    assert_eq!(written(&None::<Cow<'_, str>>, COMPACT), [0]);
}

#[test]
fn a_string_that_is_not_utf8_is_read_with_replacements() {
    let text = Cow::<str>::read(&mut Reader::new(&[3, b'a', 0xff]), COMPACT).unwrap();
    assert_eq!(text, "a\u{fffd}");
}

#[test]
fn a_string_longer_than_its_length_field_is_not_written() {
    let text: Cow<'_, str> = Cow::Owned("x".repeat(32_768));
    for at in [FIXED, COMPACT] {
        let error = text.write(&mut Size::default(), at).unwrap_err();
        assert_eq!(error.fault(), &EncodeFault::TooLong { length: 32_768, max: 32_767 });
    }
}

#[test]
fn lists_count_their_elements() {
    assert_eq!(written(&vec![1_i16, 2], FIXED), [0, 0, 0, 2, 0, 1, 0, 2]);
    assert_eq!(written(&vec![1_i16, 2], COMPACT), [3, 0, 1, 0, 2]);
    assert_eq!(written(&None::<Vec<i16>>, FIXED), [0xff; 4]);
}

#[test]
fn every_32_bit_varint_is_read_back() {
    for value in (0..32).flat_map(|bit| [(1_u32 << bit) - 1, 1 << bit]).chain([u32::MAX]) {
        let mut size = Size::default();
        size.unsigned_varint(value);
        let mut writer = SegmentWriter::for_size(size);
        writer.unsigned_varint(value);
        let bytes = contiguous(writer.finish());
        assert_eq!(Reader::new(&bytes).unsigned_varint(), Ok(value));
    }
}

#[test]
fn a_varint_of_more_than_32_bits_or_five_bytes_is_refused() {
    for bytes in [[0xff, 0xff, 0xff, 0xff, 0x1f], [0x80; 5]] {
        let error = Reader::new(&bytes).unsigned_varint().unwrap_err();
        assert_eq!(error.fault(), &DecodeFault::VarintTooLong { max_bytes: 5 });
    }
}

#[test]
fn null_is_refused_where_it_is_not_allowed() {
    assert_eq!(fault::<Cow<'_, str>>(&[0xff, 0xff], FIXED), DecodeFault::Null);
    assert_eq!(fault::<Vec<i32>>(&[0], COMPACT), DecodeFault::Null);
}

#[test]
fn negative_lengths_other_than_null_are_refused() {
    assert_eq!(fault::<Option<Cow<'_, str>>>(&[0xff, 0xfe], FIXED), DecodeFault::NegativeLength { length: -2 });
    assert_eq!(fault::<Vec<i32>>(&[0x80, 0, 0, 0], FIXED), DecodeFault::NegativeLength { length: -2_147_483_648 });
}

#[test]
fn a_declared_count_reserves_nothing() {
    assert_eq!(
        fault::<Vec<Vec<i64>>>(&[0x7f, 0xff, 0xff, 0xff, 0], FIXED),
        DecodeFault::CountBeyondFrame { count: 2_147_483_647, remaining: 1 }
    );
    // 80 bytes of frame hold three large elements at most before they are really there.
    let mut frame = vec![81];
    frame.extend([1; 80]);
    let lists = Vec::<Vec<i8>>::read(&mut Reader::new(&frame), COMPACT).unwrap();
    assert_eq!((lists.len(), lists.capacity() <= 96), (80, true));
}

#[test]
fn a_list_that_would_take_far_more_memory_than_its_frame_is_refused() {
    // A million empty texts: one byte each in the frame, 24 in memory.
    let mut frame = vec![0x80 | 0x41, 0x84, 0x3d];
    frame.resize(1_000_003, 1);
    let (result, cost) = counting_allocator::measured(|| Vec::<Cow<'_, str>>::read(&mut Reader::new(&frame), COMPACT));
    assert_eq!(result.unwrap_err().fault(), &DecodeFault::TooManyElements { times: 16 });
    assert!(cost.peak_bytes < 40_000_000, "{cost:?} for a frame of a million");
    // Fewer than fit the base are read, however small.
    let small = [1001_u32.to_be_bytes().as_slice(), &[0; 2002]].concat();
    let lists = Vec::<Cow<'_, str>>::read(&mut Reader::new(&small), FIXED);
    assert_eq!(lists.unwrap().len(), 1001);
}

#[test]
fn a_declared_length_beyond_the_frame_is_refused() {
    assert_eq!(fault::<Cow<'_, [u8]>>(&[0, 0, 1, 0, 9], FIXED), DecodeFault::Truncated { needed: 256, remaining: 1 });
    assert_eq!(fault::<Cow<'_, str>>(&[0x7f, 0xff], FIXED), DecodeFault::Truncated { needed: 32_767, remaining: 0 });
}

#[test]
fn adjacent_unknown_tags_stay_one_borrowed_slice() {
    let frame = [3, 5, 1, 0xaa, 6, 0, 7, 1, 0xbb, 0xee];
    let mut reader = Reader::new(&frame);
    let tags = reader.tags(|_, _| Ok(false)).unwrap();
    assert_eq!((tags.count(), tags.as_bytes().as_ptr()), (3, frame[1..].as_ptr()));
    assert_eq!((tags.as_bytes(), reader.remaining()), (&frame[1..9], 1));
}

#[test]
fn known_tags_between_unknown_ones_are_taken_out() {
    let frame = [3, 1, 1, 0xaa, 2, 1, 9, 3, 1, 0xbb];
    let mut known = 0;
    let tags = Reader::new(&frame)
        .tags(|field, tag| {
            if tag == 2 {
                [known] = field.array()?;
            }
            Ok(tag == 2)
        })
        .unwrap();
    assert_eq!((known, tags.count(), tags.as_bytes()), (9, 2, &[1, 1, 0xaa, 3, 1, 0xbb][..]));
}

#[test]
fn a_known_tag_must_fill_its_declared_size_and_cannot_leave_it() {
    let too_large = [1, 0, 3, 1, 2, 3];
    let error = Reader::new(&too_large).tags(|field, _| field.array::<2>().map(|_| true)).unwrap_err();
    assert_eq!(error.fault(), &DecodeFault::TagSize { tag: 0, declared: 3, actual: 2 });
    let too_small = [1, 0, 1, 1, 2, 3];
    let error = Reader::new(&too_small).tags(|field, _| field.array::<2>().map(|_| true)).unwrap_err();
    assert_eq!(error.fault(), &DecodeFault::Truncated { needed: 2, remaining: 1 });
}

#[test]
fn records_are_shared_or_sent_from_their_file_and_small_ones_copied() {
    let file = Arc::new(std::fs::File::open("/dev/null").unwrap());
    let region = FileRegion { file, position: 10, length: 1000 };
    let large = Bytes::from(vec![1; 5000]);
    let small = Bytes::from_static(b"tiny");
    let pieces = vec![Segment::Bytes(small), Segment::Bytes(large.clone()), Segment::File(region.clone())];
    let all: Vec<_> = segments(&Records::Pieces(pieces), FIXED).into_iter().collect();
    assert_eq!(all.len(), 3);
    assert_eq!(all[0], Segment::Bytes(Bytes::from_static(b"\0\0\x17\x74tiny")));
    assert!(matches!(&all[1], Segment::Bytes(bytes) if bytes.as_ptr() == large.as_ptr()));
    assert_eq!(all[2], Segment::File(region));
}

#[test]
fn null_records_and_empty_records_are_different() {
    assert_eq!(written(&None::<Records<'_>>, FIXED), [0xff; 4]);
    assert_eq!(written(&Some(Records::default()), FIXED), [0; 4]);
    assert_eq!(Option::<Records<'_>>::read(&mut Reader::new(&[0]), COMPACT), Ok(None));
    assert_eq!(Option::<Records<'_>>::read(&mut Reader::new(&[1]), COMPACT), Ok(Some(Records::default())));
}

#[test]
fn records_that_may_not_be_null_refuse_null() {
    for (bytes, at) in [(&[0xff; 4][..], FIXED), (&[0], COMPACT)] {
        assert_eq!(Records::read(&mut Reader::new(bytes), at).unwrap_err().fault(), &DecodeFault::Null);
    }
}

#[test]
fn ranges_of_versions_meet_where_both_are() {
    let range = VersionRange::new;
    assert_eq!(range(0, 5).intersect(range(3, 9)), range(3, 5));
    assert_eq!(range(0, 2).intersect(range(3, 9)), VersionRange::EMPTY);
    assert_eq!((range(3, 5).to_string(), VersionRange::EMPTY.to_string()), ("3-5".to_owned(), "none".to_owned()));
}

#[test]
fn a_list_of_int32_borrows_from_the_frame_and_takes_no_memory() {
    for (frame, at) in [
        (&[0, 0, 0, 2, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff][..], FIXED),
        (&[3, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff], COMPACT),
    ] {
        let (list, cost) = counting_allocator::measured(|| Int32List::read(&mut Reader::new(frame), at).unwrap());
        assert_eq!((list.len(), cost.allocations), (2, 0));
        assert_eq!(list, vec![7, -1].into());
        assert_ne!(list, vec![7].into());
        assert_eq!((written(&list, at), written(&list.clone().into_owned(), at)), (frame.to_vec(), frame.to_vec()));
    }
}

#[test]
fn a_list_of_int32_that_is_null_or_ends_early_is_refused() {
    assert_eq!(fault::<Int32List<'_>>(&[0], COMPACT), DecodeFault::Null);
    assert_eq!(Option::<Int32List<'_>>::read(&mut Reader::new(&[0]), COMPACT), Ok(None));
    assert_eq!(written(&None::<Int32List<'_>>, FIXED), [0xff; 4]);
    assert_eq!(
        fault::<Int32List<'_>>(&[3, 0, 0, 0, 7, 1], COMPACT),
        DecodeFault::Truncated { needed: 8, remaining: 5 }
    );
}
