//! Hands libFuzzer's bytes to the law of `journal`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bartizan_fuzz::journal::journal(bytes));
