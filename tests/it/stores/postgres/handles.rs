//! One or more handles on the same schema, used in turn as one store; the schema goes with the last of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use callboard::store::postgres::{PostgresOptions, PostgresStore};
use callboard::store::{
    Ask, Beat, Change, Changed, Claimed, Control, Ear, Fate, Filter, Listing, Lookup, Outcome, Page, Placed, Prunable,
    Pulse, Stats, Store, StoreError, Unit,
};
use callboard_tasks::{Clock, Followed, Inquiry, JobId, ScheduleRecord, Tick, WorkerId};
use futures::future::BoxFuture;

use super::server::{block_on, run};

pub struct Handles {
    stores: Vec<PostgresStore>,
    next: AtomicUsize,
    /// Where the schema is dropped: never through a pooler.
    pub url: String,
    pub schema: String,
    /// Its clock, where a test has one.
    pub clock: Option<Clock>,
}

impl Handles {
    /// One store that is open already.
    pub fn around(store: PostgresStore, options: &PostgresOptions) -> Self {
        let (url, schema) = (options.url.clone(), options.schema.clone());
        Self { stores: vec![store], next: AtomicUsize::new(0), url, schema, clock: None }
    }

    pub async fn open(options: PostgresOptions, count: usize) -> Self {
        let url = options.listen_url.clone().unwrap_or_else(|| options.url.clone());
        let schema = options.schema.clone();
        let mut stores = Vec::new();
        for _ in 0..count {
            stores.push(PostgresStore::open(options.clone()).await.unwrap());
        }
        Self { stores, next: AtomicUsize::new(0), url, schema, clock: None }
    }

    /// Each asks another one than the last.
    pub fn one(&self) -> &PostgresStore {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        &self.stores[n % self.stores.len()]
    }

    /// Runs statements on a connection of their own; `{s}` is the schema.
    pub fn sql(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        run(&self.url, &sql.replace("{s}", &self.schema))
    }

    /// One number that a statement answers.
    pub fn number(&self, sql: &str) -> i64 {
        self.sql(sql)[0][0].as_deref().unwrap().parse().unwrap()
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        for store in self.stores.drain(..) {
            block_on(store.close());
        }
        self.sql("SET client_min_messages = warning; DROP SCHEMA IF EXISTS {s} CASCADE");
    }
}

impl Store for Handles {
    fn enqueue(&self, units: Vec<Unit>) -> BoxFuture<'_, Vec<Result<Placed, StoreError>>> {
        self.one().enqueue(units)
    }

    fn claim(&self, ask: Ask) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        self.one().claim(ask)
    }

    fn finish(&self, outcomes: Vec<Outcome>) -> BoxFuture<'_, Result<Vec<Fate>, StoreError>> {
        self.one().finish(outcomes)
    }

    fn beat(&self, beat: Beat) -> BoxFuture<'_, Result<Pulse, StoreError>> {
        self.one().beat(beat)
    }

    fn rescue(&self, worker: WorkerId) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.one().rescue(worker)
    }

    fn change(&self, id: JobId, change: Change) -> BoxFuture<'_, Result<Changed, StoreError>> {
        self.one().change(id, change)
    }

    fn change_all(&self, ids: Vec<JobId>, change: Change) -> BoxFuture<'_, Vec<Result<Changed, StoreError>>> {
        self.one().change_all(ids, change)
    }

    fn control(&self, control: Control) -> BoxFuture<'_, Result<(), StoreError>> {
        self.one().control(control)
    }

    fn get(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<Lookup>, StoreError>> {
        self.one().get(ids)
    }

    fn list(&self, filter: Filter, page: Page) -> BoxFuture<'_, Result<Listing, StoreError>> {
        self.one().list(filter, page)
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>> {
        self.one().stats()
    }

    fn schedules(&self) -> BoxFuture<'_, Result<Vec<ScheduleRecord>, StoreError>> {
        self.one().schedules()
    }

    fn tick(&self, tick: Tick) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.one().tick(tick)
    }

    fn inquire(&self, id: JobId) -> BoxFuture<'_, Result<Option<Inquiry>, StoreError>> {
        self.one().inquire(id)
    }

    fn prune(&self, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.one().prune(limit)
    }

    fn prunable(&self) -> BoxFuture<'_, Result<Prunable, StoreError>> {
        self.one().prunable()
    }

    fn listen(&self, ear: Ear) {
        self.one().listen(ear);
    }

    fn watch(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<JobId>, StoreError>> {
        self.one().watch(ids)
    }

    fn follow(&self, after: Option<u64>, limit: usize) -> BoxFuture<'_, Result<Followed, StoreError>> {
        self.one().follow(after, limit)
    }
}
