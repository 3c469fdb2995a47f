//! A store that waits, as one on a disk or behind a network does: each operation passes a gate, and can fail.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use callboard_tasks::{
    Ask, Beat, Change, Changed, Claimed, Clock, Control, Fate, Filter, Followed, Inquiry, JobId, Listing, Lookup,
    MemoryOptions, MemoryStore, Outcome, Page, Placed, Prunable, Pulse, ScheduleRecord, Stats, Store, StoreError, Tick,
    Unit, WorkerId,
};
use futures::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;

use super::gate::Gate;

/// A memory store behind gates, all open at first.
#[derive(Debug)]
pub(crate) struct SlowStore {
    pub(crate) inner: MemoryStore,
    pub(crate) enqueue: Door,
    /// Closed, it holds the answers to what was kept already.
    pub(crate) kept: Gate,
    pub(crate) claim: Door,
    /// Closed, it holds the answers to claims that have taken their jobs already.
    pub(crate) taken: Gate,
    pub(crate) finish: Door,
    pub(crate) beat: Door,
    pub(crate) get: Door,
    pub(crate) tick: Door,
    pub(crate) follow: Door,
    /// Every change that was asked for, in order.
    pub(crate) changes: Mutex<Vec<Change>>,
    /// Which of the retries that are asked for fail, counted from 0.
    failing_retries: Mutex<Range<usize>>,
    waits: bool,
}

/// The way to one operation.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) gate: Gate,
    asked: AtomicUsize,
    /// What the next ones fail with.
    failures: Mutex<VecDeque<StoreError>>,
    /// How many of the next ones panic.
    panics: AtomicUsize,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            gate: Gate::opened(),
            asked: AtomicUsize::new(0),
            failures: Mutex::default(),
            panics: AtomicUsize::new(0),
        }
    }
}

impl Door {
    /// How often the operation was asked for.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Makes the next `times` of this operation fail.
    pub(crate) fn fail(&self, times: usize) {
        let failure = || StoreError::Unavailable("made to fail".into());
        self.failures.lock().extend((0..times).map(|_| failure()));
    }

    /// Lets the next ones succeed again.
    pub(crate) fn heal(&self) {
        self.failures.lock().clear();
    }

    /// Makes the next `times` of this operation panic, as a store should not.
    pub(crate) fn panic(&self, times: usize) {
        self.panics.store(times, Ordering::SeqCst);
    }

    async fn pass(&self) -> Result<(), StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.gate.pass().await;
        if self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            std::panic::resume_unwind(Box::new("made to panic"));
        }
        self.failures.lock().pop_front().map_or(Ok(()), Err)
    }
}

impl SlowStore {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        Self::that(true, clock)
    }

    /// One that may be asked where the caller stands, as the memory store; only its claims may be held.
    pub(crate) fn at_once(clock: Clock) -> Arc<Self> {
        Self::that(false, clock)
    }

    /// Makes some of the retries fail, counted from 0.
    pub(crate) fn fail_retries(&self, which: Range<usize>) {
        *self.failing_retries.lock() = which;
    }

    fn that(waits: bool, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(clock, MemoryOptions::default()),
            enqueue: Door::default(),
            kept: Gate::opened(),
            claim: Door::default(),
            taken: Gate::opened(),
            finish: Door::default(),
            beat: Door::default(),
            get: Door::default(),
            tick: Door::default(),
            follow: Door::default(),
            changes: Mutex::default(),
            failing_retries: Mutex::default(),
            waits,
        })
    }
}

impl Store for SlowStore {
    fn enqueue(&self, units: Vec<Unit>) -> BoxFuture<'_, Vec<Result<Placed, StoreError>>> {
        async move {
            let mut answers = Vec::new();
            match self.enqueue.pass().await {
                Ok(()) => answers = self.inner.enqueue(units).await,
                Err(_) => answers.extend(units.iter().map(|_| Err(StoreError::Busy("made to fail".into())))),
            }
            self.kept.pass().await;
            answers
        }
        .boxed()
    }

    fn claim(&self, ask: Ask) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        async move {
            self.claim.pass().await?;
            let claimed = self.inner.claim(ask).await;
            self.taken.pass().await;
            claimed
        }
        .boxed()
    }

    fn finish(&self, outcomes: Vec<Outcome>) -> BoxFuture<'_, Result<Vec<Fate>, StoreError>> {
        async move {
            self.finish.pass().await?;
            self.inner.finish(outcomes).await
        }
        .boxed()
    }

    fn beat(&self, beat: Beat) -> BoxFuture<'_, Result<Pulse, StoreError>> {
        async move {
            self.beat.pass().await?;
            self.inner.beat(beat).await
        }
        .boxed()
    }

    fn rescue(&self, worker: WorkerId) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.inner.rescue(worker)
    }

    fn change(&self, id: JobId, change: Change) -> BoxFuture<'_, Result<Changed, StoreError>> {
        let retries = self.changes.lock().iter().filter(|change| **change == Change::Retry).count();
        self.changes.lock().push(change.clone());
        if change == Change::Retry && self.failing_retries.lock().contains(&retries) {
            return async { Err(StoreError::Unavailable("made to fail".into())) }.boxed();
        }
        self.inner.change(id, change)
    }

    fn control(&self, control: Control) -> BoxFuture<'_, Result<(), StoreError>> {
        self.inner.control(control)
    }

    fn get(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<Lookup>, StoreError>> {
        async move {
            self.get.pass().await?;
            self.inner.get(ids).await
        }
        .boxed()
    }

    fn list(&self, filter: Filter, page: Page) -> BoxFuture<'_, Result<Listing, StoreError>> {
        self.inner.list(filter, page)
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>> {
        self.inner.stats()
    }

    fn schedules(&self) -> BoxFuture<'_, Result<Vec<ScheduleRecord>, StoreError>> {
        self.inner.schedules()
    }

    fn tick(&self, tick: Tick) -> BoxFuture<'_, Result<bool, StoreError>> {
        async move {
            self.tick.pass().await?;
            self.inner.tick(tick).await
        }
        .boxed()
    }

    fn inquire(&self, id: JobId) -> BoxFuture<'_, Result<Option<Inquiry>, StoreError>> {
        self.inner.inquire(id)
    }

    fn follow(&self, after: Option<u64>, limit: usize) -> BoxFuture<'_, Result<Followed, StoreError>> {
        async move {
            self.follow.pass().await?;
            self.inner.follow(after, limit).await
        }
        .boxed()
    }

    fn prune(&self, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.inner.prune(limit)
    }

    fn prunable(&self) -> BoxFuture<'_, Result<Prunable, StoreError>> {
        self.inner.prunable()
    }

    fn waits(&self) -> bool {
        self.waits
    }
}
