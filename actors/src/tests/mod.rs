//! Tests of the runtime from within: of the decisions, and of parts that only a fault of ours makes fail.
//!
//! What the public API can show is tested beside the crate, in `tests/it`.
#![allow(clippy::unwrap_used)]

mod agenda;
mod chaos;
mod counts;
mod desk;
mod dispatch;
mod lease;
mod permits;
mod pitfalls;
mod prepare;
mod record;
mod supervise;
#[path = "../../tests/it/support/mod.rs"]
mod support;
mod timers;
mod waiters;

use std::sync::Arc;

use crate::Callboard;
use crate::queue::Desk;

/// What the threads of a board's `default` backend share.
fn desk_of(board: &Callboard) -> Arc<Desk> {
    board.0.gate("default").unwrap().desk().expect("it is a queue")
}
