//! Hands libFuzzer's bytes to the law of `note`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bartizan_fuzz::tlog::note(bytes));
