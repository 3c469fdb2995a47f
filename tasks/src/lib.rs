//! The contract of Callboard: what a task, a call and a job are, and what a store must do.
//!
//! A **task** is a function marked [`#[task]`](task). A **call** is a task with its arguments, ready to be
//! enqueued. A **job** is the stored record of one enqueued call; users see it as [`TaskResult`]. An **attempt**
//! is one run of a job. This crate knows no actor, no SQL, no HTTP and no template, so that a library of tasks,
//! or a store of your own, compiles in seconds.
//!
//! ```
//! use callboard_tasks::{task, Task};
//!
//! /// Adds two numbers.
//! #[task(queue = "math")]
//! async fn add(a: i64, b: i64) -> i64 {
//!     a + b
//! }
//!
//! let call = add::with(2, 3).priority(10).run_after("5m");
//! assert_eq!(call.args_json().unwrap(), r#"{"a":2,"b":3}"#);
//! assert_eq!(add::definition().description, "Adds two numbers.");
//! ```
//!
//! Where to read on: [`Call`] (what can be asked of one enqueue), [`TaskResult`] (what can be read back),
//! [`Phase`] (the life of a job, as a table), [`Store`] (where jobs are kept), [`Board`] (where calls go).

extern crate self as callboard_tasks;

mod backend;
mod board;
mod bulk;
mod calendar;
mod call;
mod clock;
mod context;
mod data;
mod error;
mod event;
mod follow;
mod job;
mod json;
mod limits;
mod memory;
mod names;
mod phase;
mod published;
mod recurring;
mod redact;
mod registry;
mod result;
mod retry;
mod run_after;
mod schedule;
mod steps;
mod stop;
mod store;
mod task;
#[cfg(test)]
mod tests;
mod unique;
mod validate;
mod why;

#[cfg(feature = "conformance")]
pub mod conformance;

#[doc(hidden)]
pub mod __private;

pub use backend::{BackendInfo, QueueNames, Supports};
pub use board::{Board, Snapshot, WaitFor};
pub use bulk::{Bulk, BulkAction, BulkCount, BulkReport, BulkScope};
pub use calendar::{Calendar, Due, Missed};
pub use call::{AnyCall, Call, CallOptions};
pub use clock::Clock;
pub use context::{AttemptLog, CancelReason, Cancellation, TaskContext};
pub use data::{Data, DataKey, DataMap, FromTask, MissingData};
pub use error::{BoxError, Error, InvalidTask, Problem, WaitError};
pub use event::{Event, EventKind};
pub use follow::{EndLog, Followed};
pub use job::{Attempts, Job, JobId, JobSpec, JobState, LogLine, Progress, TaskError, WorkerId, WorkerIds};
pub use json::{Json, NotJson};
pub use limits::{QueueLimits, Rate};
pub use memory::{MemoryOptions, MemoryStore};
pub use names::{MAX_NAME, check_name};
pub use phase::{InvalidMove, Move, Phase, Status};
pub use published::{Published, PublishedParameter};
pub use recurring::{Definition, InvalidSchedule, Schedule};
pub use redact::{Redact, Redaction};
pub use registry::{Registry, RegistryError, near_names};
pub use result::{NoReturnValue, TaskResult};
pub use retry::{Backoff, CustomBackoff, RetryPolicy};
pub use run_after::{RunAfter, format_duration, parse_duration};
pub use schedule::{ScheduleDefinition, ScheduleRecord, Tick};
pub use stop::{Failure, FailureKind, Stop};
pub use store::{
    Ask, Beat, Change, Changed, Claim, Claimed, Control, Ear, Ending, Fate, Filter, Heard, Listing, Lookup, Outcome,
    Page, Placed, Prunable, Pulse, QueueStats, Stats, Store, StoreError, Unit,
};
pub use task::{Parameter, Run, Source, Task, TaskArg, TaskDefinition, TaskOptions, TaskOutput};
pub use unique::{Found, Idempotency, OnConflict, Replayed, Unique, UniqueKey, UniqueUntil};
pub use validate::{resolve, validate};
pub use why::{Inquiry, Reason, ReasonCode, Why, why};

/// Makes a function a task; see the `callboard` crate for what it accepts.
///
/// This is the entry for crates that depend on `callboard-tasks` alone; users of the facade write
/// `callboard::task`.
pub use callboard_macros::task_in_contract as task;

/// Jiff's timestamp, as every time in this crate: an instant in UTC.
pub use jiff::Timestamp;
