//! Hands libFuzzer's bytes to the law of `pickle`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bartizan_fuzz::artifact::pickle(bytes));
