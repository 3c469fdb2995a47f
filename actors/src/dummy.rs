//! The dummy backend: records calls and never runs them, for tests.

use std::sync::Arc;

use callboard_tasks::{
    AnyCall, BackendInfo, Clock, Error, EventKind, Idempotency, Job, JobId, Snapshot, Supports, TaskResult, resolve,
};
use futures::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;

use crate::door::{Entry, Gate, Room, plain_health};
use crate::health::BackendHealth;
use crate::hub::Hub;

/// What was enqueued at a dummy backend, in order. A clone shows the same list.
///
/// The list belongs to the board, so tests that make a board each run in parallel.
#[derive(Debug, Clone)]
pub struct Dummy {
    results: Arc<Mutex<Vec<Snapshot>>>,
}

impl Dummy {
    /// Every call enqueued so far, in order; READY for ever.
    #[must_use]
    pub fn results(&self) -> Vec<TaskResult> {
        let results = self.results.lock();
        let result = |snapshot: &Snapshot| TaskResult::new(None, snapshot.clone()).expect("any JSON is a Value");
        results.iter().map(result).collect()
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.results.lock().clear();
    }
}

#[derive(Debug)]
pub(crate) struct DummyGate {
    info: BackendInfo,
    alias: Arc<str>,
    clock: Clock,
    hub: Arc<Hub>,
    pub(crate) dummy: Dummy,
}

impl DummyGate {
    /// As Django's: it takes anything, and promises no lookup.
    pub(crate) const SUPPORTS: Supports = Supports { defer: true, async_task: true, get_result: false, priority: true };

    pub(crate) fn new(info: BackendInfo, clock: Clock, hub: Arc<Hub>) -> Self {
        let alias = info.alias.as_str().into();
        Self { info, alias, clock, hub, dummy: Dummy { results: Arc::default() } }
    }
}

impl Gate for DummyGate {
    fn info(&self) -> &BackendInfo {
        &self.info
    }

    fn alias(&self) -> &Arc<str> {
        &self.alias
    }

    fn enqueue(&self, calls: Vec<AnyCall>, _: Option<Idempotency>, _: Room) -> Entry {
        let now = self.clock.now();
        let jobs: Result<Vec<_>, _> = calls.into_iter().map(|call| resolve(call, now)).collect();
        let snapshot = |spec| Snapshot {
            backend: Arc::clone(&self.alias),
            job: Job::new(Arc::new(spec)),
            duplicate: false,
            replayed: false,
        };
        Entry::Done(jobs.map_err(Error::from).map(|jobs| {
            let snapshots: Vec<_> = jobs.into_iter().map(snapshot).collect();
            self.dummy.results.lock().extend(snapshots.iter().cloned());
            for snapshot in &snapshots {
                self.hub.announce(EventKind::Enqueued, snapshot);
            }
            snapshots
        }))
    }

    fn get(&self, id: JobId) -> BoxFuture<'_, Result<Snapshot, Error>> {
        let found = self.dummy.results.lock().iter().find(|snapshot| snapshot.job.id() == id).cloned();
        async move { found.ok_or(Error::NotFound(id)) }.boxed()
    }

    fn health(&self) -> BoxFuture<'_, BackendHealth> {
        async { plain_health(&self.info, "dummy") }.boxed()
    }
}
