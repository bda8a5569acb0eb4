//! libFuzzer's entry to the target `record`; what it does is in `barnabas_fuzz::record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| barnabas_fuzz::record(bytes));
