//! Anything as a query of `GET /tasks`.
#![no_main]

libfuzzer_sys::fuzz_target!(|query: &[u8]| callboard_http::fuzzing::filter(query));
