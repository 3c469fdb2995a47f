//! Anything as a body of `POST /csp/reports`.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| callboard_http::fuzzing::csp_reports(body));
