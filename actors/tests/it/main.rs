//! The runtime through its public API: one module for each topic, each test on a board of its own.
//!
//! A comment such as `// Django 59` names the case of Django's contract that a test proves.
#![allow(clippy::unwrap_used)]

mod boards;
mod dummy;
mod embed;
mod ends;
mod events;
mod immediate;
mod isolation;
mod queue;
mod results;
mod support;
mod testing;
