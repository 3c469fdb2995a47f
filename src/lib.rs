//! Background tasks for Rust, on actors: enqueue from a request, run outside it, keep the result.
//!
//! You write a function, mark it [`#[task]`](macro@task), and enqueue calls of it; actors run them outside the
//! request, retry them, and keep each result where it can be polled. In the theatre, the call board is where
//! actors read what they are called for.
//!
//! ```standalone_crate
//! use std::time::Duration;
//!
//! use callboard::{Callboard, task};
//!
//! /// Adds two numbers.
//! #[task]
//! async fn add(a: i64, b: i64) -> i64 {
//!     a + b
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # futures::executor::block_on(async {
//! let board = Callboard::builder().memory().start().await?;
//!
//! let sum = board.enqueue(add::with(2, 3).priority(10)).await?; // returns at once
//! let sum = sum.wait(Duration::from_secs(5)).await?;
//! assert_eq!(sum.return_value()?, &5);
//!
//! board.shutdown().await; // lets what runs end
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! The function stays an ordinary function: `add(2, 3).await` is how it is unit-tested. A [`Callboard`] is a cheap
//! clone that can be kept wherever requests are answered, whatever the async runtime;
//! [`Callboard::blocking`] is for plain threads.
//!
//! # Where to read on
//!
//! | | |
//! |---|---|
//! | [`macro@task`] | what a function may look like: options, [`Data`], [`TaskContext`] |
//! | [`Call`] | what can be asked of one enqueue: a queue, a priority, a time |
//! | [`TaskResult`], [`Phase`] | what can be read back, and the life of a job |
//! | [`Schedule`] | calls that are enqueued again and again |
//! | [`Stop`] | how a task steers its own retry |
//! | [`Builder`], [`Backend`] | how a board is put together in code |
//! | [`Settings`] | the same from a file and the environment |
//! | [`messages`] | what backends answer to, for actor systems that speak with them, or are one |
//! | [`mod@testing`] | boards for tests, and one attempt alone |
//! | [`store`] | what a store must do |
//!
//! # Features
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `sqlite` | yes | [`mod@store::sqlite`]: jobs in one file, without a server |
//! | `postgres` | yes | [`mod@store::postgres`]: jobs in a PostgreSQL database, for many machines |
//! | `mail` | yes | [`mail`]: messages, mailers, templates, and the tasks that send |
//! | `http` | yes | [`mod@http`]: the front end as actix-web routes; [`system`]: a whole server |
//! | `cli` | yes | [`cli`]: the command line, and with it the program `callboard`; needs `http` |
//!
//! A program that brings its own web framework says `default-features = false` and compiles neither actix-web nor
//! clap.

#[cfg(feature = "cli")]
mod bench;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod durable;
#[cfg(feature = "mail")]
pub mod mail;
#[cfg(any(feature = "sqlite", feature = "mail", feature = "cli"))]
mod private;
mod settings;
pub mod store;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod transaction;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "http")]
pub mod system;

#[cfg(feature = "http")]
pub use callboard_http as http;

pub use callboard_actors::{
    Backend, BackendHealth, Blocked, Blocking, Builder, Callboard, Configure, CountedEnd, Door, Dummy, Ends,
    EventMessage, Health, Lagged, OpenFailure, OpenStore, Opening, PartHealth, ScheduleStatus, Schema, SchemaStep,
    ShutdownReport, Spread, SpreadCounter, StartError, Stuck, TaskCounts, Unopened, Work, WorkerHealth,
    assert_enqueued, messages, refute_enqueued, testing,
};
pub use callboard_macros::task;
pub use callboard_tasks::{
    AnyCall, BackendInfo, Backoff, Board, BoxError, Bulk, BulkAction, BulkCount, BulkReport, Calendar, Call,
    CallOptions, CancelReason, Change, Clock, Data, DataKey, Error, Filter, FromTask, Idempotency, InvalidMove,
    InvalidSchedule, InvalidTask, Job, JobId, Json, LogLine, Missed, MissingData, NoReturnValue, NotJson, OnConflict,
    Page, Parameter, Phase, Problem, Progress, Published, QueueLimits, QueueNames, Rate, Reason, ReasonCode, Registry,
    RegistryError, RetryPolicy, Run, RunAfter, Schedule, Snapshot, Source, Stats, Status, Stop, Supports, Task,
    TaskArg, TaskContext, TaskDefinition, TaskError, TaskOptions, TaskOutput, TaskResult, Timestamp, Unique,
    UniqueUntil, WaitError, WaitFor, Why, WorkerId, resolve, tasks,
};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use self::durable::Durable;
#[cfg(feature = "http")]
pub use self::settings::HttpSettings;
#[cfg(feature = "mail")]
pub use self::settings::MailSettings;
pub use self::settings::{
    BackendKind, BackendSettings, DatabaseUrl, Settings, SettingsError, SettingsProblem, StorePlace,
};
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use self::transaction::EnqueueIn;
#[cfg(feature = "postgres")]
pub use self::transaction::ToSql;

#[doc(hidden)]
pub use callboard_tasks::__private;

/// Compiles and runs what the README shows; the front end is part of it. Its examples become one program, where each
/// board finds the tasks of all, and one of them wants data; so the example above is a program of its own.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// The same for the page on schedules.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../docs/schedules.md")]
struct Schedules;

/// The same for the page on unique calls and limits.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../docs/limits.md")]
struct Limits;

/// The same for the page on events.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../docs/events.md")]
struct Events;

/// The same for the page on mail.
#[cfg(all(doctest, feature = "mail"))]
#[doc = include_str!("../docs/mail.md")]
struct Mail;

/// The same for the page on stores.
#[cfg(all(doctest, feature = "postgres", feature = "sqlite"))]
#[doc = include_str!("../docs/stores.md")]
struct Stores;

/// The same for the page on tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/testing.md")]
struct Testing;
