//! Anything as a body of `POST /enqueue`.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| callboard_http::fuzzing::call(body));
