//! Tests of what no user sees: the scanner and the splitter.
#![allow(clippy::unwrap_used)]

mod properties;
mod scan;
mod texts;
