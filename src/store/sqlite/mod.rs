//! Jobs in one SQLite file: the default, without a server.
//!
//! What was answered is on the disk (`synchronous = FULL`). One thread writes (`writer.rs`), and whatever waits for it
//! goes into one transaction; a few others read (`readers.rs`); another saves the log (`helper.rs`). Several processes may
//! share the file: whoever writes holds the lock file beside it (`lock.rs`), and each hears of what others wrote
//! (`listener.rs`). All tables have names that begin with `callboard_`, so the file may be the application's own, and
//! [`enqueue_in`] puts jobs into it in a transaction of the application's.
//!
//! A job is in two tables: its row in `callboard_jobs`, written once, and a narrow row in the table of where it is in its
//! life. Only a job with a past, which was tried before or changed from outside, has its whole state written out
//! besides; what a move does to that one is decided by [`Job`](callboard_tasks::Job)'s own steps.

mod change;
mod claim;
mod depth;
mod enqueue;
mod fault;
mod finish;
mod follow;
mod helper;
mod hot;
mod inbox;
mod inquire;
mod keyed;
mod keys;
mod limits;
mod line;
mod listener;
mod lock;
mod open;
mod opener;
mod read;
mod readers;
mod rows;
mod runs;
mod schedules;
mod schema;
#[cfg(test)]
mod tests;
mod txn;
mod upkeep;
mod workers;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use callboard_tasks::{
    Ask, Beat, Change, Changed, Claimed, Clock, Control, Ear, Fate, Filter, Followed, Inquiry, JobId, Listing, Lookup,
    Outcome, Page, Placed, Prunable, Pulse, ScheduleRecord, Stats, Store, StoreError, Tick, Unit, WorkerId,
};
use futures::channel::oneshot;
use futures::future::{BoxFuture, FutureExt, Shared};
use rusqlite::Connection;

use self::enqueue::NewUnit;
use self::fault::{Fault, Trouble};
use self::helper::Helper;
use self::inbox::Inbox;
use self::listener::Listener;
use self::readers::Readers;
use self::txn::Txn;
use self::writer::{Asked, Setting};
use super::OpenError;
use super::record::{Damaged, micros};

pub use self::enqueue::enqueue_in;
pub use self::schema::{SchemaStatus, migrate, migrations, status};

/// How long a writer that is not ours is waited for.
const BUSY: Duration = Duration::from_secs(5);

/// How a file is opened as a store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// The file; it is made if there is none. Its directory must be there.
    pub path: PathBuf,
    /// What tells the time.
    pub clock: Clock,
    /// How long a successful job is kept; 7 days.
    pub keep_successful: Duration,
    /// How long a job is kept that ended otherwise; 30 days.
    pub keep_failed: Duration,
    /// How long somebody else's transaction on the file is waited for; 5 s.
    pub busy_timeout: Duration,
}

impl SqliteOptions {
    /// This file, by the system's clock.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self {
            path: path.into(),
            clock: Clock::system(),
            keep_successful: 7 * DAY,
            keep_failed: 30 * DAY,
            busy_timeout: BUSY,
        }
    }
}

/// Keeps jobs in one SQLite file.
///
/// An id that is asked for after its job was removed is [`Lookup::Pruned`] as long as it is among the last 100,000 that
/// were removed, and [`Lookup::Unknown`] after that.
pub struct SqliteStore {
    file: Arc<Path>,
    clock: Clock,
    keep: [i64; 2],
    inbox: Arc<Inbox>,
    readers: Arc<Readers>,
    listener: Arc<Listener>,
    /// Resolves when all threads have ended.
    ended: Shared<oneshot::Receiver<()>>,
}

impl SqliteStore {
    /// Opens a file, makes it if there is none, and brings its schema up to date.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the file cannot be used: its directory is missing, it is no database or a damaged one, it cannot
    /// be written, it was made by a newer version, or somebody has held it for longer than `busy_timeout`.
    pub fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        let SqliteOptions { path, clock, keep_successful, keep_failed, busy_timeout: busy } = options;
        let file = open::check(&path)?;
        let lock = open::lock(&file)?;
        let (connection, _) = schema::prepare(&file, &lock, busy)?;
        let whole = |keep: Duration| i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
        let keep = [whole(keep_successful), whole(keep_failed)];
        let (inbox, readers, listener, helper) =
            (Arc::new(Inbox::default()), Arc::new(Readers::default()), Arc::default(), Arc::new(Helper::default()));
        let (alive, ended) = oneshot::channel::<()>();

        let mut others = Vec::new();
        for _ in 0..readers::THREADS {
            let (readers, file) = (Arc::clone(&readers), file.clone());
            others.push(start("read", &file.clone(), move || readers.run(&file, busy))?);
        }
        let (of_helper, of_inbox, path) = (Arc::clone(&helper), Arc::clone(&inbox), file.clone());
        others.push(start("help", &file, move || of_helper.run(&path, &of_inbox, busy))?);
        let setting = Setting {
            file: file.clone(),
            clock: clock.clone(),
            owner: *uuid::Uuid::now_v7().as_bytes(),
            keep,
            busy,
            inbox: Arc::clone(&inbox),
            listener: Arc::clone(&listener),
            readers: Arc::clone(&readers),
            helper,
            lock,
        };
        start("write", &file, move || {
            writer::run(&setting, &connection, others);
            drop(connection);
            drop(alive);
        })?;
        Ok(Self { file: file.into(), clock, keep, inbox, readers, listener, ended: ended.shared() })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// How many transactions this handle has committed: with many callers, far fewer than there were operations.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.inbox.commits.load(Relaxed)
    }

    /// Runs `look` with the connection that writes, between two transactions; for tests and repairs.
    #[doc(hidden)]
    pub fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let (to, answer) = oneshot::channel();
        self.inbox.inspect(Box::new(move |connection| {
            let _ = to.send(look(connection));
        }));
        let file = Arc::clone(&self.file);
        Box::pin(async move { answer.await.map_err(|_| Fault::closed().into_error(&file)) })
    }

    /// Gives the writer something to do; it is under way when this returns.
    fn write<Q: Send + 'static, A: Send + 'static>(
        &self,
        question: Q,
        weight: usize,
        run: for<'t, 'c> fn(&mut Txn<'t, 'c>, &Q) -> Result<A, Trouble>,
    ) -> impl Future<Output = Result<A, StoreError>> + Send + 'static + use<Q, A> {
        self.write_in_turn(question, weight, run, false)
    }

    fn write_in_turn<Q: Send + 'static, A: Send + 'static>(
        &self,
        question: Q,
        weight: usize,
        run: for<'t, 'c> fn(&mut Txn<'t, 'c>, &Q) -> Result<A, Trouble>,
        first: bool,
    ) -> impl Future<Output = Result<A, StoreError>> + Send + 'static + use<Q, A> {
        let (to, answer) = oneshot::channel();
        self.inbox.push(Box::new(Asked { question, run, weight, answer: None, to }), first);
        let file = Arc::clone(&self.file);
        async move { answer.await.unwrap_or_else(|_| Err(Fault::closed().into_error(&file))) }
    }

    /// Gives a reader something to look at.
    fn read<A: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> Result<A, Fault> + Send + 'static,
    ) -> impl Future<Output = Result<A, StoreError>> + Send + 'static {
        let (to, answer) = oneshot::channel();
        self.readers.push(Box::new(move |connection| {
            let _ = to.send(connection.and_then(look));
        }));
        let file = Arc::clone(&self.file);
        async move {
            let answer = answer.await.unwrap_or_else(|_| Err(Fault::closed()));
            answer.map_err(|fault| fault.into_error(&file))
        }
    }

    fn damaged(&self) -> impl FnOnce(Damaged) -> StoreError + Send + use<> {
        let file = Arc::clone(&self.file);
        move |damaged| Fault::from(damaged).into_error(&file)
    }

    /// Parks what nobody can run and puts back what somebody can, in several transactions if there is much of it.
    async fn park(&self) -> Result<(), StoreError> {
        while self.write((), 1, |txn, ()| txn.unpark()).await? {}
        // Which tasks stand in line is a long look, so a reader takes it.
        let now = micros(self.clock.now());
        let foreign = self.read(move |connection| read::foreign_tasks(connection, now)).await?;
        if !foreign.is_empty() {
            let tasks: Arc<[String]> = foreign.into();
            while self.write(Arc::clone(&tasks), 1, park_tasks).await? {}
        }
        Ok(())
    }
}

fn park_tasks(txn: &mut Txn<'_, '_>, tasks: &Arc<[String]>) -> Result<bool, Trouble> {
    txn.catch_up()?;
    txn.park_tasks(tasks)
}

fn start(what: &str, file: &Path, run: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>, OpenError> {
    thread::Builder::new()
        .name(format!("callboard-{what}"))
        .spawn(run)
        .map_err(|error| OpenError::Unreachable { place: file.display().to_string(), source: Box::new(error) })
}

impl Store for SqliteStore {
    fn enqueue(&self, units: Vec<Unit>) -> BoxFuture<'_, Vec<Result<Placed, StoreError>>> {
        let units: Vec<NewUnit> = units.into_iter().map(NewUnit::from).collect();
        let (count, jobs) = (units.len(), units.iter().map(NewUnit::len).sum());
        if count == 0 {
            return Box::pin(std::future::ready(Vec::new()));
        }
        let placed = self.write(units, jobs, |txn, units| enqueue::enqueue(txn, units));
        Box::pin(async move {
            match placed.await {
                Ok(placed) => placed,
                Err(error) => fault::repeated(&error, count),
            }
        })
    }

    fn claim(&self, ask: Ask) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        let weight = ask.limit.min(1_024);
        let (given, damaged) = (self.write(ask, weight, claim::claim), self.damaged());
        Box::pin(async move { given.await?.into_claimed().map_err(damaged) })
    }

    fn finish(&self, outcomes: Vec<Outcome>) -> BoxFuture<'_, Result<Vec<Fate>, StoreError>> {
        let weight = outcomes.len();
        if weight == 0 {
            return Box::pin(std::future::ready(Ok(Vec::new())));
        }
        Box::pin(self.write(outcomes, weight, |txn, outcomes| finish::finish(txn, outcomes)))
    }

    fn beat(&self, beat: Beat) -> BoxFuture<'_, Result<Pulse, StoreError>> {
        Box::pin(self.write_in_turn(beat, 1, workers::beat, true))
    }

    fn rescue(&self, worker: WorkerId) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.write(worker, 64, workers::rescue))
    }

    fn change(&self, id: JobId, change: Change) -> BoxFuture<'_, Result<Changed, StoreError>> {
        Box::pin(self.write((id, change), 1, change::change))
    }

    fn control(&self, control: Control) -> BoxFuture<'_, Result<(), StoreError>> {
        match control {
            Control::Pause(queue) => Box::pin(self.write(queue, 1, workers::pause)),
            Control::Resume(queue) => Box::pin(self.write(queue, 1, workers::resume)),
            Control::Register { worker, lease, tasks } => {
                let registered = self.write((worker, lease, tasks), 1, workers::register);
                Box::pin(async move {
                    registered.await?;
                    while self.write((), 1, |txn, ()| txn.unpark()).await? {}
                    Ok(())
                })
            }
            Control::Leave(worker) => Box::pin(self.write(worker, 64, workers::leave)),
            Control::Publish(tasks) => Box::pin(self.write(tasks, 1, workers::publish)),
            Control::Park => Box::pin(self.park()),
            Control::Limit { queue, limits } => Box::pin(self.write((queue, limits), 1, limits::set)),
            Control::Declare { worker, schedules } => Box::pin(self.write((worker, schedules), 1, schedules::declare)),
            Control::SetSchedule(schedule) => Box::pin(self.write(schedule, 1, schedules::set)),
            Control::RemoveSchedule(name) => Box::pin(self.write(name, 1, schedules::remove)),
            Control::PauseSchedule(name) => Box::pin(self.write((name, true), 1, schedules::pause)),
            Control::ResumeSchedule(name) => Box::pin(self.write((name, false), 1, schedules::pause)),
            // The enum may grow.
            other => {
                let error = StoreError::Unavailable(format!("this store does not know {other:?}").into());
                Box::pin(std::future::ready(Err(error)))
            }
        }
    }

    fn get(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<Lookup>, StoreError>> {
        let (found, damaged) = (self.read(move |connection| read::get(connection, &ids)), self.damaged());
        Box::pin(async move {
            let found = found.await?;
            found.into_iter().map(read::Found::into_lookup).collect::<Result<_, _>>().map_err(damaged)
        })
    }

    fn list(&self, filter: Filter, page: Page) -> BoxFuture<'_, Result<Listing, StoreError>> {
        Box::pin(self.read(move |connection| read::list(connection, &filter, page)))
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>> {
        Box::pin(self.read(read::stats))
    }

    fn prune(&self, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.write(limit, limit, |txn, limit| txn.prune(*limit)))
    }

    fn prunable(&self) -> BoxFuture<'_, Result<Prunable, StoreError>> {
        let (now, keep) = (micros(self.clock.now()), self.keep);
        Box::pin(self.read(move |connection| read::prunable(connection, now, keep)))
    }

    fn listen(&self, ear: Ear) {
        self.listener.set_ear(ear);
        self.inbox.nudge();
    }

    fn watch(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<JobId>, StoreError>> {
        self.listener.watched.add(&ids);
        Box::pin(self.read(move |connection| read::ended(connection, &ids)))
    }

    fn follow(&self, after: Option<u64>, limit: usize) -> BoxFuture<'_, Result<Followed, StoreError>> {
        Box::pin(async move {
            let look = |sure| {
                let now = micros(self.clock.now());
                self.read(move |connection| follow::look(connection, after, limit, now, sure))
            };
            if let Some(told) = look(false).await? {
                return Ok(told);
            }
            self.write((), 1, follow::renew).await?;
            Ok(look(true).await?.unwrap_or_default())
        })
    }

    fn gathers(&self) -> bool {
        true
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inbox.close();
        let ended = self.ended.clone();
        // Nothing is ever sent: the threads hold the other end for as long as they live.
        Box::pin(ended.map(drop))
    }

    fn schedules(&self) -> BoxFuture<'_, Result<Vec<ScheduleRecord>, StoreError>> {
        Box::pin(self.read(schedules::list))
    }

    fn tick(&self, tick: Tick) -> BoxFuture<'_, Result<bool, StoreError>> {
        let weight = tick.jobs.len() + 1;
        Box::pin(self.write(tick, weight, schedules::tick))
    }

    fn inquire(&self, id: JobId) -> BoxFuture<'_, Result<Option<Inquiry>, StoreError>> {
        Box::pin(self.write(id, 1, inquire::inquire))
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqliteStore({})", self.file.display())
    }
}
