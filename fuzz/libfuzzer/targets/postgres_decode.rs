#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::POSTGRES_DECODE.run(input));
