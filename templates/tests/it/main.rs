//! Templates as programs use them. The list of modules is the contents page.
//!
//! A comment such as `// Django 178` names the case of Django's contract that a test proves; `docs/django.md` lists
//! them all.
#![allow(clippy::unwrap_used, unreachable_pub, missing_docs, reason = "these are tests")]

mod support;

mod calling;
mod defining;
mod django;
mod errors;
mod escaping;
mod folder;
mod inheriting;
mod limits;
mod loading;
mod whitespace;
