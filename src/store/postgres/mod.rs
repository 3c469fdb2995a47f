//! The PostgreSQL store: many machines, one database.
//!
//! A store has a thread of its own, `callboard-postgres`, on which all its connections live; methods hand it what is to
//! be done and wait. Four lanes keep what must not wait for each other apart, each with a connection that is opened when
//! needed: new jobs, claims, outcomes, and the home connection with the beat and the notices. New jobs with keys of which
//! there is one have a fifth, for they may have to wait for others. Everything else goes over a small pool. What waits
//! while a statement is under way goes into the next one.
//!
//! In the database a job is a row that is written once and one narrow row beside it, in `waiting`, `running` or `done`.
//! The functions in `schema/*.sql` move it on the way that nearly every job takes; all other ways are the steps of
//! [`Job`](crate::store::Job), taken here under the lock of its row. What a row does not hold follows from what it
//! holds by the same steps: see `row.rs`.

mod change;
mod claim;
mod columns;
mod control;
mod core;
mod depths;
mod enqueue;
mod fault;
mod finish;
mod follow;
mod heads;
mod home;
mod inquire;
mod keyed;
mod keys;
mod limits;
mod link;
mod migrate;
mod opener;
mod options;
mod puts;
mod read;
mod row;
mod schedules;
mod sql;
mod thread;
mod tls;
mod upkeep;
mod within;

use std::fmt;

use callboard_actors::SchemaStep;
use callboard_tasks::{
    Ask, Beat, Change, Changed, Claimed, Control, Ear, Fate, Filter, Followed, Inquiry, JobId, Listing, Lookup,
    Outcome, Page, Placed, Prunable, Pulse, ScheduleRecord, Stats, Store, StoreError, Tick, Unit, WorkerId,
};
use futures::future::BoxFuture;

pub use self::migrate::{migration_sql, migrations};
pub use self::options::PostgresOptions;
use self::thread::{Doors, Thread};
pub use self::within::{enqueue_in, to_sql};
use super::OpenError;
use super::migrate::Migration;

/// Keeps jobs in a schema of a PostgreSQL database, 13 or newer.
pub struct PostgresStore(Thread);

impl PostgresStore {
    /// Opens the store: connects, brings the schema up to date, and starts its thread. It may be called on any
    /// executor, and so may all methods.
    ///
    /// # Errors
    ///
    /// [`OpenError`] names the database, without its password, and what is wrong.
    pub async fn open(options: PostgresOptions) -> Result<Self, OpenError> {
        Thread::start(options).await.map(Self)
    }

    /// Hands something to the store's thread.
    fn hand<T: Send + 'static>(
        &self,
        give: impl FnOnce(&Doors, tokio::sync::oneshot::Sender<T>),
        failed: impl FnOnce(StoreError) -> T + Send + 'static,
    ) -> BoxFuture<'_, T> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.0.doors(|doors| give(doors, reply));
        Box::pin(async move {
            match answer.await {
                Ok(answer) => answer,
                Err(_) => failed(StoreError::Unavailable("the store is closed".into())),
            }
        })
    }
}

/// Brings the schema up to date; the steps that were taken.
///
/// # Errors
///
/// [`OpenError`], as for opening the store.
pub async fn migrate(options: &PostgresOptions) -> Result<Vec<&'static Migration>, OpenError> {
    thread::take_steps(options.clone()).await
}

/// The steps of the schema, with when the database took each.
///
/// # Errors
///
/// [`OpenError`], as for opening the store.
pub async fn status(options: &PostgresOptions) -> Result<Vec<SchemaStep>, OpenError> {
    thread::steps_taken(options.clone()).await
}

impl Store for PostgresStore {
    fn enqueue(&self, units: Vec<Unit>) -> BoxFuture<'_, Vec<Result<Placed, StoreError>>> {
        let closed = |count: usize| {
            move |_| (0..count).map(|_| Err(StoreError::Unavailable("the store is closed".into()))).collect()
        };
        let keyed: Vec<bool> = units.iter().map(keyed::has_keys).collect();
        if !keyed.contains(&true) {
            let failed = closed(units.len());
            return self.hand(|doors, reply| doors.enqueue(units, reply), failed);
        }
        let (with, without): (Vec<_>, Vec<_>) = units.into_iter().zip(&keyed).partition(|(_, keyed)| **keyed);
        let part = |units: Vec<(Unit, &bool)>| units.into_iter().map(|(unit, _)| unit).collect::<Vec<_>>();
        let (with, without) = (part(with), part(without));
        let failed = closed(with.len());
        let with = self.hand(|doors, reply| doors.enqueue_keyed(with, reply), failed);
        if !keyed.contains(&false) {
            return with;
        }
        let failed = closed(without.len());
        let without = self.hand(|doors, reply| doors.enqueue(without, reply), failed);
        Box::pin(async move {
            let (with, without) = futures::future::join(with, without).await;
            let (mut with, mut without) = (with.into_iter(), without.into_iter());
            keyed.into_iter().filter_map(|keyed| if keyed { with.next() } else { without.next() }).collect()
        })
    }

    fn claim(&self, ask: Ask) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        self.hand(|doors, reply| doors.claim(ask, reply), Err)
    }

    fn finish(&self, outcomes: Vec<Outcome>) -> BoxFuture<'_, Result<Vec<Fate>, StoreError>> {
        self.hand(|doors, reply| doors.finish(outcomes, reply), Err)
    }

    fn beat(&self, beat: Beat) -> BoxFuture<'_, Result<Pulse, StoreError>> {
        self.hand(|doors, reply| doors.beat(beat, reply), Err)
    }

    fn rescue(&self, worker: WorkerId) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.hand(|doors, reply| doors.rest(reply, async move |core| change::rescue(&core, worker).await), Err)
    }

    fn change(&self, id: JobId, change: Change) -> BoxFuture<'_, Result<Changed, StoreError>> {
        self.hand(|doors, reply| doors.rest(reply, async move |core| change::change(&core, id, change).await), Err)
    }

    fn change_all(&self, ids: Vec<JobId>, change: Change) -> BoxFuture<'_, Vec<Result<Changed, StoreError>>> {
        let count = ids.len();
        let none = move |failure: StoreError| {
            let text = failure.to_string();
            (0..count).map(|_| Err(StoreError::Unavailable(text.clone().into()))).collect()
        };
        self.hand(
            |doors, reply| doors.rest(reply, async move |core| change::change_all(&core, ids, change).await),
            none,
        )
    }

    fn control(&self, control: Control) -> BoxFuture<'_, Result<(), StoreError>> {
        self.hand(|doors, reply| doors.rest(reply, async move |core| control::control(&core, control).await), Err)
    }

    fn get(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<Lookup>, StoreError>> {
        self.hand(|doors, reply| doors.rest(reply, async move |core| read::get(&core, &ids).await), Err)
    }

    fn list(&self, filter: Filter, page: Page) -> BoxFuture<'_, Result<Listing, StoreError>> {
        self.hand(|doors, reply| doors.rest(reply, async move |core| read::list(&core, &filter, page).await), Err)
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>> {
        self.hand(|doors, reply| doors.rest(reply, async move |core| read::stats(&core).await), Err)
    }

    fn prune(&self, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        self.hand(|doors, reply| doors.rest(reply, async move |core| control::prune(&core, limit).await), Err)
    }

    fn prunable(&self) -> BoxFuture<'_, Result<Prunable, StoreError>> {
        self.hand(|doors, reply| doors.rest(reply, async move |core| read::prunable(&core).await), Err)
    }

    fn listen(&self, ear: Ear) {
        self.0.core().set_ear(ear);
        self.0.doors(Doors::listen);
    }

    fn watch(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<JobId>, StoreError>> {
        self.hand(|doors, reply| doors.rest(reply, async move |core| control::watch(&core, ids).await), Err)
    }

    fn follow(&self, after: Option<u64>, limit: usize) -> BoxFuture<'_, Result<Followed, StoreError>> {
        self.hand(|doors, reply| doors.rest(reply, async move |core| follow::follow(&core, after, limit).await), Err)
    }

    fn gathers(&self) -> bool {
        true
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.0.close()
    }

    fn schedules(&self) -> BoxFuture<'_, Result<Vec<ScheduleRecord>, StoreError>> {
        self.hand(|doors, reply| doors.rest(reply, async move |core| schedules::list(&core).await), Err)
    }

    fn tick(&self, tick: Tick) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.hand(|doors, reply| doors.rest(reply, async move |core| schedules::tick(&core, tick).await), Err)
    }

    fn inquire(&self, id: JobId) -> BoxFuture<'_, Result<Option<Inquiry>, StoreError>> {
        self.hand(|doors, reply| doors.rest(reply, async move |core| inquire::inquire(&core, id).await), Err)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = self.0.core();
        write!(f, "PostgresStore({} schema {})", core.target.place, core.schema)
    }
}
