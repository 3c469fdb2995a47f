//! The suite that every store must pass: each case states one rule of [`Store`](crate::Store).
//!
//! To run it against a store of your own, enable the feature `conformance` of `callboard-tasks` among your
//! dev-dependencies and write, in a file of your `tests/`:
//!
//! ```
//! use std::sync::Arc;
//! use callboard_tasks::conformance::Setup;
//! use callboard_tasks::{MemoryOptions, MemoryStore, Store, store_conformance};
//!
//! async fn open(setup: Setup) -> Arc<dyn Store> {
//!     let options = MemoryOptions {
//!         keep_successful: setup.keep_successful,
//!         keep_failed: setup.keep_failed,
//!         ..MemoryOptions::default()
//!     };
//!     Arc::new(MemoryStore::new(setup.clock, options))
//! }
//!
//! store_conformance!(my_store, open);
//! ```
//!
//! It makes one `#[test]` of each case, in a module `my_store`. `open` gives an empty store each time, which tells
//! the time by `setup.clock`: the clock stands still until the case moves it. A case runs on a thread of its own,
//! on a plain executor without timers, and fails if it has not ended after [`DEADLINE`].

mod run;
mod stage;

pub mod cancel;
pub mod change;
pub mod claim;
pub mod concurrency;
pub mod control;
pub mod enqueue;
pub mod fairness;
pub mod finish;
pub mod follow;
pub mod hostile;
pub mod idempotency;
pub mod inquire;
pub mod invariants;
pub mod lease;
pub mod limits;
pub mod list;
pub mod logs;
pub mod losses;
pub mod overrun;
pub mod park;
pub mod prune;
pub mod reschedule;
pub mod retry;
pub mod schedules;
pub mod unique;

mod cases;

pub use run::{DEADLINE, run};
pub use stage::{DAY, HOUR, LEASE, MINUTE, MOMENT, OTHER, QUEUE, SECOND, START, Setup, Stage, TASK};
