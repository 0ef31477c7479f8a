#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cycles_fuzz::texts(data));
