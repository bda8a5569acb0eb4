//! libFuzzer's entry to the target `request_header`; what it does is in `barnabas_fuzz::request_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barnabas_fuzz::request_header(bytes));
