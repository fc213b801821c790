//! Hands libFuzzer's bytes to the law of `json`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bartizan_fuzz::json(bytes));
