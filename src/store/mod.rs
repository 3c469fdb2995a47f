//! What a store must do, what it is spoken with, and the durable stores: one file, or a PostgreSQL server.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod error;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod migrate;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod record;
#[cfg(feature = "sqlite")]
pub mod sqlite;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use self::error::OpenError;
pub use callboard_tasks::{
    Ask, Attempts, Beat, Change, Changed, Claim, Claimed, Control, Definition, Ear, Ending, Fate, Filter, Found, Heard,
    Inquiry, Job, JobSpec, JobState, Json, Listing, LogLine, Lookup, MemoryOptions, MemoryStore, Move, Outcome, Page,
    Placed, Prunable, Published, PublishedParameter, Pulse, QueueLimits, QueueStats, Rate, Replayed,
    ScheduleDefinition, ScheduleRecord, Stats, Store, StoreError, Tick, UniqueKey, Unit,
};

#[cfg(feature = "postgres")]
/// What PostgreSQL does not keep yet.
pub(crate) fn unkept(what: &str) -> callboard_tasks::StoreError {
    callboard_tasks::StoreError::Refused(format!("this store does not keep {what} yet"))
}

#[cfg(feature = "postgres")]
/// Whether a unit asks for what PostgreSQL does not keep yet.
pub(crate) fn has_keys(unit: &callboard_tasks::Unit) -> bool {
    unit.idempotency.is_some() || unit.jobs.iter().any(|spec| spec.unique.is_some())
}
