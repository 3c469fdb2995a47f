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
    Ask, Attempts, Beat, Change, Changed, Claim, Claimed, Control, Ear, Ending, Fate, Filter, Heard, Job, JobSpec,
    JobState, Json, Listing, Lookup, MemoryOptions, MemoryStore, Move, Outcome, Page, Placed, Prunable, Published,
    PublishedParameter, Pulse, QueueStats, Stats, Store, StoreError, Unit,
};
