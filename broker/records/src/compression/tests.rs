//! Codecs against each other and against damage.

use std::io::Read;

use super::*;
use crate::header::Codec;

const ALL: [Compression; 6] = [
    Compression::None,
    Compression::Gzip { level: 9 },
    Compression::Snappy,
    Compression::Lz4,
    Compression::Lz4High { level: 12 },
    Compression::Zstd { level: -5 },
];

fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| b"The messenger is on his way. "[(index + index / 977) % 29]).collect()
}

fn decompress(codec: Codec, stored: &[u8], limits: DecompressLimits) -> Result<Vec<u8>, DecompressError> {
    let mut decompressor = Decompressor::new(codec, stored, limits)?;
    let mut output = Vec::new();
    match decompressor.read_to_end(&mut output) {
        Ok(_) => Ok(output),
        Err(error) => Err(decompressor.explain(error)),
    }
}

#[test]
fn every_codec_gives_back_what_went_in() {
    for compression in ALL {
        for size in [0, 1, 100, 32 << 10, (32 << 10) + 1, 300_000] {
            let stored = compress(compression, &text(size)).unwrap();
            let output = decompress(compression.codec(), &stored, DecompressLimits::default()).unwrap();
            assert!(output == text(size), "{compression:?} of {size} bytes");
        }
    }
}

#[test]
fn every_codec_recompresses_into_every_other() {
    let plain = text(200_000);
    for from in ALL {
        let stored = compress(from, &plain).unwrap();
        for to in ALL {
            let again = recompress(from.codec(), &stored, to, DecompressLimits::default()).unwrap();
            assert!(
                decompress(to.codec(), &again, DecompressLimits::default()).unwrap() == plain,
                "{from:?} -> {to:?}"
            );
        }
    }
}

#[test]
fn a_raw_snappy_block_is_read_without_a_frame() {
    let stored = snap::raw::Encoder::new().compress_vec(&text(100_000)).unwrap();
    assert!(decompress(Codec::Snappy, &stored, DecompressLimits::default()).unwrap() == text(100_000));
}

#[test]
fn a_snappy_stream_may_carry_further_headers() {
    let one = compress(Compression::Snappy, b"first ").unwrap();
    let two = compress(Compression::Snappy, b"second").unwrap();
    let both = decompress(Codec::Snappy, &[one, two].concat(), DecompressLimits::default()).unwrap();
    assert_eq!(both, b"first second");
}

#[test]
fn lz4_frames_of_other_clients_are_read() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    for block_size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max4MB] {
        for block_mode in [BlockMode::Independent, BlockMode::Linked] {
            for checksums in [false, true] {
                let frame = FrameInfo::new()
                    .block_size(block_size)
                    .block_mode(block_mode)
                    .block_checksums(checksums)
                    .content_checksum(checksums)
                    .content_size(checksums.then_some(700_000));
                let mut encoder = FrameEncoder::with_frame_info(frame, Vec::new());
                std::io::Write::write_all(&mut encoder, &text(700_000)).unwrap();
                let stored = encoder.finish().unwrap();
                assert!(decompress(Codec::Lz4, &stored, DecompressLimits::default()).unwrap() == text(700_000));
            }
        }
    }
}

#[test]
fn output_ends_at_the_limit_and_not_one_byte_later() {
    let limits = DecompressLimits { output_bytes: 5_000, ..DecompressLimits::default() };
    for compression in ALL {
        let within = compress(compression, &text(5_000)).unwrap();
        assert_eq!(decompress(compression.codec(), &within, limits).unwrap().len(), 5_000);
        let beyond = compress(compression, &text(5_001)).unwrap();
        let error = decompress(compression.codec(), &beyond, limits).unwrap_err();
        assert!(matches!(error, DecompressError::TooLarge { limit_bytes: 5_000, .. }), "{compression:?}: {error}");
    }
}

#[test]
fn a_zstd_window_beyond_the_limit_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    encoder.window_log(24).unwrap();
    std::io::Write::write_all(&mut encoder, &text(100_000)).unwrap();
    let stored = encoder.finish().unwrap();
    assert!(decompress(Codec::Zstd, &stored, DecompressLimits::default()).is_ok());
    let tight = DecompressLimits { zstd_window_log: 23, ..DecompressLimits::default() };
    assert!(matches!(decompress(Codec::Zstd, &stored, tight), Err(DecompressError::Damaged { codec: "zstd", .. })));
}

#[test]
fn a_snappy_block_that_declares_more_than_it_can_hold_is_refused_before_memory_is_taken() {
    let mut block = vec![0xff, 0xff, 0xff, 0xff, 0x0f];
    block.extend_from_slice(&[0; 20]);
    assert!(matches!(
        decompress(Codec::Snappy, &block, DecompressLimits::default()),
        Err(DecompressError::Damaged { codec: "snappy", .. })
    ));
}

#[test]
fn damage_is_an_error_or_other_bytes_but_never_a_panic() {
    for compression in ALL {
        let good = compress(compression, &text(3_000)).unwrap();
        for at in 0..good.len() {
            let _ = decompress(compression.codec(), &good[..at], DecompressLimits::default());
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                let _ = decompress(compression.codec(), &bad, DecompressLimits::default());
            }
        }
    }
}

#[test]
fn damaged_lz4_frames_of_linked_blocks_never_panic() {
    use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};
    let seed = std::env::var("BARNABAS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5eed_u64);
    println!("BARNABAS_SEED={seed}");
    let mut state = seed;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut encoder = FrameEncoder::with_frame_info(FrameInfo::new().block_mode(BlockMode::Linked), Vec::new());
    std::io::Write::write_all(&mut encoder, &text(150_000)).unwrap();
    let good = encoder.finish().unwrap();
    for _ in 0..100 {
        let mut bad = good.clone();
        // The descriptor's checksum would catch what comes before.
        let at = 7 + random(bad.len() - 7);
        bad[at] = random(256) as u8;
        let _ = decompress(Codec::Lz4, &bad, DecompressLimits::default());
    }
}

#[test]
fn levels_outside_the_codec_are_refused() {
    for (compression, accepted) in [
        (Compression::Gzip { level: 0 }, false),
        (Compression::Gzip { level: 10 }, false),
        (Compression::Gzip { level: 1 }, true),
        (Compression::Lz4High { level: 0 }, false),
        (Compression::Lz4High { level: 18 }, false),
        (Compression::Lz4High { level: 17 }, true),
        (Compression::Zstd { level: 23 }, false),
        (Compression::Zstd { level: 22 }, true),
        (Compression::Zstd { level: -131_072 }, true),
    ] {
        assert_eq!(compress(compression, b"x").is_ok(), accepted, "{compression:?}");
    }
}
