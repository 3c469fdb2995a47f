//! Anything as a cursor of `GET /tasks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| callboard_http::fuzzing::cursor(text));
