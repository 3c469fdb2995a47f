//! The runtime through its public API: one module for each topic, each test on a board of its own.
//!
//! A comment such as `// Django 59` names the case of Django's contract that a test proves.
#![allow(clippy::unwrap_used)]

mod dummy;
mod events;
mod immediate;
mod queue;
mod support;
