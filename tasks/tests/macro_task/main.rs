//! Tasks that `#[task]` made: what they know of themselves, how they read arguments, and how they run.
#![allow(clippy::unwrap_used)]

mod attempts;
mod binding;
mod definitions;
mod grammar;
mod shapes;
mod support;
