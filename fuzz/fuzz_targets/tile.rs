//! Hands libFuzzer's bytes to the law of `tile`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bartizan_fuzz::tlog::tile(bytes));
