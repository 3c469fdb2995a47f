//! What the tests of the SQLite store work with.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use callboard::store::sqlite::{SqliteOptions, SqliteStore};
use callboard::store::{
    Ask, Beat, Change, Changed, Claimed, Control, Ear, Fate, Filter, Job, JobSpec, Listing, Lookup, Outcome, Page,
    Placed, Prunable, Pulse, Stats, Store, StoreError, Unit,
};
use callboard::{Clock, JobId};
use callboard_tasks::conformance::Setup;
use callboard_tasks::{Followed, Inquiry, ScheduleRecord, Tick, WorkerId};
use futures::executor::block_on;
use futures::future::BoxFuture;

pub use crate::stores::{TASK, spec};
use crate::support::Folder;

/// How the suite wants a store on this file.
pub fn options(file: &Path, setup: &Setup) -> SqliteOptions {
    let mut options = SqliteOptions::new(file);
    options.clock = setup.clock.clone();
    options.keep_successful = setup.keep_successful;
    options.keep_failed = setup.keep_failed;
    options
}

/// A file by this clock.
pub fn options_by(file: &Path, clock: &Clock) -> SqliteOptions {
    let mut options = SqliteOptions::new(file);
    options.clock = clock.clone();
    options
}

pub fn open_in(options: SqliteOptions) -> SqliteStore {
    SqliteStore::open(options).unwrap()
}

/// Gives each operation to the next of its stores in turn.
pub struct Turns<const N: usize> {
    stores: [SqliteStore; N],
    next: AtomicUsize,
}

impl<const N: usize> Turns<N> {
    pub fn new(stores: [SqliteStore; N]) -> Self {
        Self { stores, next: AtomicUsize::new(0) }
    }

    fn next(&self) -> &SqliteStore {
        &self.stores[self.next.fetch_add(1, Ordering::Relaxed) % N]
    }
}

/// A store with the folder that it is in; the folder goes last.
pub struct Kept<S> {
    store: S,
    _folder: Arc<Folder>,
}

impl<S> Kept<S> {
    pub fn new(store: S, folder: Folder) -> Self {
        Self { store, _folder: Arc::new(folder) }
    }
}

/// Where a wrapper sends an operation.
trait Chooses: Send + Sync + 'static {
    fn chosen(&self) -> &dyn Store;
}

impl<const N: usize> Chooses for Turns<N> {
    fn chosen(&self) -> &dyn Store {
        self.next()
    }
}

impl Chooses for SqliteStore {
    fn chosen(&self) -> &dyn Store {
        self
    }
}

impl<S: Chooses> Chooses for Kept<S> {
    fn chosen(&self) -> &dyn Store {
        self.store.chosen()
    }
}

impl<S: Chooses> Store for Kept<S> {
    fn enqueue(&self, units: Vec<Unit>) -> BoxFuture<'_, Vec<Result<Placed, StoreError>>> {
        self.chosen().enqueue(units)
    }

    fn claim(&self, ask: Ask) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        self.chosen().claim(ask)
    }

    fn finish(&self, outcomes: Vec<Outcome>) -> BoxFuture<'_, Result<Vec<Fate>, StoreError>> {
        self.chosen().finish(outcomes)
    }

    fn beat(&self, beat: Beat) -> BoxFuture<'_, Result<Pulse, StoreError>> {
        self.chosen().beat(beat)
    }

    fn rescue(&self, worker: WorkerId) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.chosen().rescue(worker)
    }

    fn change(&self, id: JobId, change: Change) -> BoxFuture<'_, Result<Changed, StoreError>> {
        self.chosen().change(id, change)
    }

    fn change_all(&self, ids: Vec<JobId>, change: Change) -> BoxFuture<'_, Vec<Result<Changed, StoreError>>> {
        self.chosen().change_all(ids, change)
    }

    fn control(&self, control: Control) -> BoxFuture<'_, Result<(), StoreError>> {
        self.chosen().control(control)
    }

    fn get(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<Lookup>, StoreError>> {
        self.chosen().get(ids)
    }

    fn list(&self, filter: Filter, page: Page) -> BoxFuture<'_, Result<Listing, StoreError>> {
        self.chosen().list(filter, page)
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>> {
        self.chosen().stats()
    }

    fn schedules(&self) -> BoxFuture<'_, Result<Vec<ScheduleRecord>, StoreError>> {
        self.chosen().schedules()
    }

    fn tick(&self, tick: Tick) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.chosen().tick(tick)
    }

    fn inquire(&self, id: JobId) -> BoxFuture<'_, Result<Option<Inquiry>, StoreError>> {
        self.chosen().inquire(id)
    }

    fn prune(&self, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.chosen().prune(limit)
    }

    fn prunable(&self) -> BoxFuture<'_, Result<Prunable, StoreError>> {
        self.chosen().prunable()
    }

    fn listen(&self, ear: Ear) {
        self.chosen().listen(ear);
    }

    fn watch(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<JobId>, StoreError>> {
        self.chosen().watch(ids)
    }

    fn follow(&self, after: Option<u64>, limit: usize) -> BoxFuture<'_, Result<Followed, StoreError>> {
        self.chosen().follow(after, limit)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.chosen().close()
    }
}

/// How long leases hold.
pub const LEASE: Duration = Duration::from_secs(60);

/// A store on a fresh file, by the system's clock.
pub fn with_store() -> (Folder, SqliteStore) {
    let folder = Folder::new();
    let store = open_in(SqliteOptions::new(folder.path().join("jobs.db")));
    (folder, store)
}

pub fn unit(spec: JobSpec) -> Unit {
    Unit { jobs: vec![Arc::new(spec)], claim: None, idempotency: None }
}

/// Enqueues a job, which must be possible.
#[track_caller]
pub fn put(store: &SqliteStore, spec: JobSpec) -> JobId {
    let id = spec.id;
    let placed = block_on(store.enqueue(vec![unit(spec)]));
    assert!(placed[0].is_ok(), "{placed:?}");
    id
}

/// Registers a worker that can run [`TASK`].
pub fn register(store: &SqliteStore) -> WorkerId {
    let worker = WorkerId::new(Clock::system().now());
    let register = Control::Register { worker, lease: LEASE, tasks: vec![TASK.into()] };
    block_on(store.control(register)).unwrap();
    worker
}

pub fn claim(store: &SqliteStore, worker: WorkerId, limit: usize) -> Vec<Job> {
    block_on(store.claim(Ask { worker, limit, queues: None, after_queue: None })).unwrap().jobs
}
