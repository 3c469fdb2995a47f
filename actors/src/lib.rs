//! The runtime of Callboard: backends that are actors, worker actors that run attempts, and the handle.
//!
//! ```text
//! Callboard (handle: one door per backend alias)
//! └─ Backend actor, one per alias ── immediate │ dummy │ queue │ custom     all answer the messages of `messages`
//!    queue: decides what to claim, hands out, acknowledges, announces, on one coordination thread; it supervises
//!    ├─ Worker × n   one thread each; takes from the backend's run queue, runs attempts, reports outcomes
//!    ├─ Heart        its own thread: the beat
//!    ├─ Keeper       due times, pruning, hand-back
//!    └─ Scheduler    ticks of schedules
//! ```
//!
//! The decisions are pure functions in files of their own ([`dispatch`](crate), `record`, `lease`,
//! `supervise`); user code never runs in a handler; the store alone knows what is true.

mod backend;
mod blocking;
mod budget;
mod builder;
mod bulk;
mod counts;
mod custom;
mod door;
mod dummy;
mod ends;
mod events;
mod foreign;
mod handle;
mod health;
mod hub;
mod immediate;
pub mod messages;
mod named;
mod open;
mod panics;
mod prepare;
mod queue;
mod reception;
mod schedules;
mod supervise;
pub mod testing;
mod threads;
mod timers;
mod waiters;
mod weak;
mod work;

#[cfg(test)]
mod tests;

pub use backend::Backend;
pub use blocking::Blocking;
pub use builder::{Builder, Configure, StartError};
pub use counts::{CountedEnd, OTHER, Spread, SpreadCounter, TaskCounts};
pub use custom::Door;
pub use dummy::Dummy;
pub use ends::{Ends, Lagged};
pub use events::EventMessage;
pub use handle::{Callboard, Prepared, ShutdownReport};
pub use health::{BackendHealth, Blocked, Health, PartHealth, Stuck, WorkerHealth};
pub use messages::{
    Cancel, Drain, Enqueue, EnqueueAll, GetResult, List, Pause, Resume, Retry, Stats, Subscribe, TaskEnqueued,
    TaskFinished, TaskStarted, TaskStuck, Wait,
};
pub use open::{OpenFailure, OpenStore, Opening, Schema, SchemaStep, Unopened};
pub use schedules::ScheduleStatus;
pub use work::Work;
