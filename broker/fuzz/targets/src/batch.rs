//! libFuzzer's entry to the target `batch`; what it does is in `barnabas_fuzz::batch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barnabas_fuzz::batch(bytes));
