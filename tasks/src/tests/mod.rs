//! Tests of the modules that decide and hold nothing: one file for each.
//!
//! A comment such as `// Django 12` names the case of Django's contract that a test proves; `docs/django.md`
//! lists them all.
#![allow(clippy::unwrap_used)]

mod backend;
mod board;
mod bulk;
mod calendar;
mod call;
mod clock;
mod context;
mod data;
mod error;
mod follow;
mod job;
mod limits;
mod names;
mod phase;
mod recurring;
mod redact;
mod registry;
mod result;
mod retry;
mod run_after;
mod stop;
mod support;
mod unique;
mod validate;
