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
    Ask, Attempts, Beat, Change, Changed, Claim, Claimed, Control, Definition, Ear, EndLog, Ending, Fate, Filter,
    Followed, Found, Heard, Inquiry, Job, JobSpec, JobState, Json, Listing, LogLine, Lookup, MemoryOptions,
    MemoryStore, Move, Outcome, Page, Placed, Prunable, Published, PublishedParameter, Pulse, QueueLimits, QueueStats,
    Rate, Replayed, ScheduleDefinition, ScheduleRecord, Stats, Store, StoreError, Tick, UniqueKey, Unit,
};
