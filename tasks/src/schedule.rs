//! What a store keeps of a schedule: its definition as text, who declares it, and how far it has come.
//!
//! What a definition says (when it fires, what it enqueues) is the runtime's: a store only sees to it that each tick
//! is taken once, whoever asks.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{JobSpec, Json};

/// A schedule as it is defined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleDefinition {
    /// Its name: unique within a backend, by the rule for names.
    pub name: String,
    /// When it fires and what it enqueues: a JSON object.
    pub definition: Json,
}

/// A schedule as a store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleRecord {
    /// Its name.
    pub name: String,
    /// When it fires and what it enqueues: of several processes that declare it, what the one says that was
    /// registered last (the largest id); where none does, what it was made of at run time.
    pub definition: Json,
    /// Whether a registered process declares it; else it was made at run time. One that is neither is not listed, but
    /// what is below is remembered for the next process that declares it.
    pub declared: bool,
    /// Whether it is paused: no tick is taken.
    pub paused: bool,
    /// When it became known: earlier ticks are not missed.
    pub since: Timestamp,
    /// The last tick that was taken or passed over.
    pub last_tick: Option<Timestamp>,
}

/// Takes one tick of a schedule: only the first who comes with the same `after` gets it.
#[derive(Debug, Clone)]
pub struct Tick {
    /// The name of the schedule.
    pub schedule: String,
    /// Its last tick, as the caller has read it.
    pub after: Option<Timestamp>,
    /// Its last tick from now on.
    pub at: Timestamp,
    /// What is enqueued with it, in the same commit; none passes a tick over. A job whose unique key is held is left
    /// out, whatever it asks for in that case.
    pub jobs: Vec<Arc<JobSpec>>,
}
