//! Hands libFuzzer's bytes to the law of `sealed`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bartizan_fuzz::keys::sealed(bytes));
