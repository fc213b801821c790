//! Hands libFuzzer's bytes to the law of `slots`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bartizan_fuzz::keys::slots(bytes));
