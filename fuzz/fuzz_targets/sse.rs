//! Hands libFuzzer's bytes to the law of `sse`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bartizan_fuzz::sse(bytes));
