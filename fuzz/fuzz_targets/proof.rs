//! Hands libFuzzer's bytes to the law of `proof`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bartizan_fuzz::tlog::proof(bytes));
