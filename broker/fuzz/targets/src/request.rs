//! libFuzzer's entry to the target `request`; what it does is in `barnabas_fuzz::request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barnabas_fuzz::request(bytes));
