#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| parlance::fuzzing::web_config(data));
