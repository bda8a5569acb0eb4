//! libFuzzer's entry to the target `response`; what it does is in `barnabas_fuzz::response`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barnabas_fuzz::response(bytes));
