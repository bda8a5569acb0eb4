//! libFuzzer's entry to the target `frame`; what it does is in `barnabas_fuzz::frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barnabas_fuzz::frame(bytes));
