//! A board for one test.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{
    AnyCall, Clock, Filter, MemoryOptions, MemoryStore, Page, Snapshot, Store, Task, TaskResult, Timestamp,
};
use futures::future::FutureExt;

use super::matching::came_of;
use crate::{Backend, Builder, Callboard, Dummy};

/// When the clocks of tests start: 2030-01-01T00:00:00Z.
const START: Timestamp = Timestamp::constant(1_893_456_000, 0);

/// A board for one test: it is used wherever a [`Callboard`] is, and says afterwards what was enqueued.
///
/// Its backend `default` takes any queue; its clock stands still until the test moves it.
pub struct TestBoard {
    board: Callboard,
    clock: Clock,
    kept: Kept,
    setup: Box<dyn Fn(Builder) -> Builder + Send + Sync>,
}

/// Where what was enqueued is found.
enum Kept {
    Listed(Dummy),
    Stored(Arc<MemoryStore>),
    Nowhere,
}

impl TestBoard {
    /// Keeps what is enqueued and never runs it. `setup` gives the builder what the tasks need: `.data(..)`, `.tasks(..)`.
    ///
    /// # Panics
    ///
    /// If the board does not start, with the reason; as all constructors here.
    pub async fn recording(setup: impl Fn(Builder) -> Builder + Send + Sync + 'static) -> Self {
        let clock = Clock::manual(START);
        let board = start(&setup, Backend::dummy(), &clock).await;
        let dummy = board.dummy("default").expect("its backend was just made a dummy");
        Self { board, clock, kept: Kept::Listed(dummy), setup: Box::new(setup) }
    }

    /// Keeps what is enqueued in memory, and runs what is due when it is told to: see [`drain`](Self::drain). `setup` is
    /// asked for each drain anew, so values that tasks share are given as `.data_arc(Arc::clone(&value))`.
    pub async fn manual(setup: impl Fn(Builder) -> Builder + Send + Sync + 'static) -> Self {
        let clock = Clock::manual(START);
        let store = Arc::new(MemoryStore::new(clock.clone(), MemoryOptions::default()));
        let board = start(&setup, Backend::store(Arc::clone(&store) as _).enqueue_only(), &clock).await;
        Self { board, clock, kept: Kept::Stored(store), setup: Box::new(setup) }
    }

    /// Runs each call while its enqueuer waits, once; the result of the enqueue is that of the attempt.
    pub async fn immediate(setup: impl Fn(Builder) -> Builder + Send + Sync + 'static) -> Self {
        let clock = Clock::manual(START);
        let board = start(&setup, Backend::immediate(), &clock).await;
        Self { board, clock, kept: Kept::Nowhere, setup: Box::new(setup) }
    }

    /// Runs everything that is due by the test's clock, with what that enqueues, and everything that is due at once again;
    /// how many attempts ended. What waits for a later time (a retry with a pause, too) waits for
    /// [`advance`](Self::advance).
    ///
    /// # Panics
    ///
    /// On a board that is not [`manual`](Self::manual).
    pub async fn drain(&self) -> usize {
        let Kept::Stored(store) = &self.kept else { panic!("only a manual board has something to drain") };
        let finished = |store: &Arc<MemoryStore>| -> u64 {
            let ends = |snapshot: &TaskResult| u64::from(snapshot.attempts());
            list(store).iter().map(ends).sum()
        };
        let before = finished(store);
        let board = start(&self.setup, Backend::store(Arc::clone(store) as _), &self.clock).await;
        board.until_idle().await;
        let after = finished(store);
        board.shutdown().await;
        usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// What was enqueued so far, in order, as it stands now.
    ///
    /// # Panics
    ///
    /// On an [`immediate`](Self::immediate) board, which keeps nothing: its enqueues give what there is to know.
    #[must_use]
    pub fn enqueued(&self) -> Vec<TaskResult> {
        match &self.kept {
            Kept::Listed(dummy) => dummy.results(),
            Kept::Stored(store) => list(store),
            Kept::Nowhere => panic!("an immediate board keeps no list; look at what its enqueues give"),
        }
    }

    /// What was enqueued of one task.
    #[must_use]
    pub fn enqueued_of<T: Task>(&self) -> Vec<TaskResult> {
        let mut results = self.enqueued();
        results.retain(|result| result.task() == T::NAME);
        results
    }

    #[doc(hidden)]
    #[track_caller]
    pub fn assert_enqueued(&self, call: &AnyCall) {
        let enqueued = self.enqueued();
        if !enqueued.iter().any(|result| self.is_of(result, call)) {
            panic!("this was not enqueued: {}\n{}", shown(call), instead(&enqueued));
        }
    }

    #[doc(hidden)]
    #[track_caller]
    pub fn refute_enqueued(&self, call: &AnyCall) {
        if let Some(result) = self.enqueued().iter().find(|result| self.is_of(result, call)) {
            panic!("this was enqueued: {}\n  as {}", shown(call), result.id());
        }
    }

    fn is_of(&self, result: &TaskResult, call: &AnyCall) -> bool {
        let spec = &result.job().spec;
        came_of(spec, call, spec.enqueued_at)
    }
}

async fn start(setup: &(impl Fn(Builder) -> Builder + ?Sized), backend: Backend, clock: &Clock) -> Callboard {
    let any_queue = backend.queues(Vec::<String>::new()).workers(1);
    let builder = Callboard::builder().backend("default", any_queue).clock(clock.clone());
    setup(builder).start().await.unwrap_or_else(|error| panic!("the board of the test does not start: {error}"))
}

fn list(store: &Arc<MemoryStore>) -> Vec<TaskResult> {
    let page = Page { limit: usize::MAX, before: None };
    let listing = store.list(Filter::default(), page).now_or_never().expect("memory waits for nothing");
    let jobs = listing.expect("memory does not fail").jobs;
    let result = |job| {
        let snapshot = Snapshot { backend: "default".into(), job, duplicate: false, replayed: false };
        TaskResult::new(None, snapshot).expect("any JSON is a value")
    };
    jobs.into_iter().rev().map(result).collect()
}

fn shown(call: &AnyCall) -> String {
    format!("{}({})", call.task(), call.args_json().unwrap_or("arguments without a JSON"))
}

fn instead(enqueued: &[TaskResult]) -> String {
    if enqueued.is_empty() {
        return "  nothing was".into();
    }
    let line = |result: &TaskResult| {
        let spec = &result.job().spec;
        let after = spec.run_after.map(|at| format!(" after {at}")).unwrap_or_default();
        format!("  {}({}) in {:?}, priority {}{after}", spec.task, spec.args, spec.queue, spec.priority)
    };
    format!("what was:\n{}", enqueued.iter().map(line).collect::<Vec<_>>().join("\n"))
}

impl Deref for TestBoard {
    type Target = Callboard;

    fn deref(&self) -> &Callboard {
        &self.board
    }
}

impl fmt::Debug for TestBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TestBoard({:?})", self.clock)
    }
}
