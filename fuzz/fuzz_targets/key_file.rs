//! Hands libFuzzer's bytes to the law of `key_file`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bartizan_fuzz::keys::key_file(bytes));
