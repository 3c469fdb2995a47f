//! What all parts of a store share: where the database is, the statements, the reading pool, and the one way to run a
//! statement: bounded in time, and under the clock that the store was opened with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use callboard_tasks::{Clock, Ear, Heard, JobId, QueueLimits, Timestamp};
use deadpool_postgres::{ClientWrapper, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::depths::Depths;
use super::fault::Fault;
use super::heads::Heads;
use super::options::{PostgresOptions, Target};
use super::row;
use super::sql::{Sql, Statements};
use crate::store::OpenError;

/// How long one statement may take. What comes later than that is as good as a lost connection.
pub(super) const STATEMENT: Duration = Duration::from_secs(10);
/// How long a connection is kept that nobody needs.
pub(super) const IDLE: Duration = Duration::from_secs(30);

pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

pub(super) struct Core {
    pub(super) target: Target,
    pub(super) listen: Option<Target>,
    pub(super) schema: String,
    pub(super) pooler: bool,
    pub(super) clock: Clock,
    /// How long finished jobs are kept, in microseconds: successful ones, and others.
    pub(super) keep: (i64, i64),
    pub(super) sql: Statements,
    pub(super) pool: Pool,
    /// Tells our own notices from those of others.
    pub(super) token: String,
    pub(super) notices: Notices,
    /// Where the lines begin.
    pub(super) heads: Heads,
    /// Rung when a claim has stepped over many dead entries.
    pub(super) stumbled: Notify,
    /// The worker that claims here, of late.
    pub(super) worker: Mutex<Option<Uuid>>,
    ear: Mutex<Option<Ear>>,
    others: AtomicU8,
    /// The queues whose starts are limited, as a beat has seen it.
    limited: Mutex<BTreeSet<String>>,
    /// How many jobs wait where only so many may.
    pub(super) depths: Depths,
    /// How many rows of the hot tables were moved since these were last swept.
    pub(super) moved: AtomicUsize,
    /// Rung when that is a lot.
    pub(super) sweep: Notify,
}

/// What is to be told to other processes.
#[derive(Default)]
pub(super) struct Notices {
    pub(super) waiting: Mutex<(bool, Vec<JobId>)>,
    pub(super) ring: Notify,
}

/// A span as the database counts it; more than 4,000 years are for ever.
pub(super) fn micros(span: Duration) -> i64 {
    const MOST: i64 = 4_000 * 365 * 24 * 3600 * 1_000_000;
    i64::try_from(span.as_micros()).unwrap_or(MOST).min(MOST)
}

impl Core {
    pub(super) fn new(options: &PostgresOptions) -> Result<Self, OpenError> {
        let target = Target::read(&options.url, &options.schema)?;
        let listen = options.listen_url.as_deref().map(|url| Target::read(url, &options.schema)).transpose()?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(target.config.clone(), target.tls.clone(), recycling);
        let pool = Pool::builder(manager)
            .max_size(options.read_pool.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(STATEMENT))
            .create_timeout(Some(Duration::from_secs(5)))
            .recycle_timeout(Some(Duration::from_secs(5)))
            .build();
        let pool = pool.map_err(|error| OpenError::Invalid {
            place: target.place.clone(),
            problem: format!("cannot be pooled: {error}"),
        })?;
        Ok(Self {
            target,
            listen,
            schema: options.schema.clone(),
            pooler: options.pooler,
            clock: options.clock.clone(),
            keep: (micros(options.keep_successful), micros(options.keep_failed)),
            sql: Statements::new(&options.schema),
            pool,
            token: uuid::Uuid::new_v7(uuid::Timestamp::now(uuid::NoContext)).simple().to_string(),
            notices: Notices::default(),
            heads: Heads::default(),
            stumbled: Notify::new(),
            worker: Mutex::new(None),
            ear: Mutex::new(None),
            others: AtomicU8::new(UNKNOWN),
            limited: Mutex::default(),
            depths: Depths::default(),
            moved: AtomicUsize::new(0),
            sweep: Notify::new(),
        })
    }

    /// Runs one statement within whatever the connection is in.
    pub(super) async fn query(&self, client: &ClientWrapper, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Fault> {
        let run = async {
            if self.pooler {
                let typed: Vec<_> = params.iter().copied().zip(sql.types.iter().cloned()).collect();
                client.query_typed(&sql.text, &typed).await
            } else {
                let statement = client.prepare_typed_cached(&sql.text, sql.types).await?;
                client.query(&statement, params).await
            }
        };
        in_time(run).await
    }

    /// Runs one statement as a transaction of its own.
    pub(super) async fn alone(&self, client: &ClientWrapper, sql: &Sql, params: Params<'_>) -> Result<Vec<Row>, Fault> {
        if !self.clock.is_manual() {
            return self.query(client, sql, params).await;
        }
        self.within(client, async || self.query(client, sql, params).await).await
    }

    /// Runs several statements as one transaction.
    pub(super) async fn within<T>(
        &self,
        client: &ClientWrapper,
        work: impl AsyncFnOnce() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let begin = if self.clock.is_manual() {
            format!("BEGIN; SET LOCAL callboard.now = '{}'", self.clock.now())
        } else {
            "BEGIN".to_owned()
        };
        in_time(client.batch_execute(&begin)).await?;
        match work().await {
            Ok(done) => {
                in_time(client.batch_execute("COMMIT")).await?;
                Ok(done)
            }
            Err(fault @ Fault::Lost(_)) => Err(fault),
            Err(fault) => {
                in_time(client.batch_execute("ROLLBACK")).await?;
                Err(fault)
            }
        }
    }

    /// So many jobs have left dead rows behind.
    pub(super) fn moved(&self, jobs: usize) {
        if self.moved.fetch_add(jobs, Ordering::Relaxed) + jobs >= super::upkeep::MANY {
            self.sweep.notify_one();
        }
    }

    /// The store's time, within a transaction.
    pub(super) async fn now(&self, client: &ClientWrapper) -> Result<Timestamp, Fault> {
        let rows = self.query(client, &self.sql.now, &[]).await?;
        let row = rows.first().ok_or_else(|| Fault::Failed("the time is not told".into()))?;
        row::at(row, 0)?.ok_or_else(|| Fault::Failed("the time is null".into()))
    }

    /// Does something with a connection of the pool, again if that is lost or others are in the way. `work` must find
    /// out by itself what an earlier try has done.
    pub(super) async fn pooled<T>(
        &self,
        patience: Duration,
        work: impl AsyncFn(&ClientWrapper) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut trial = Trial::new(patience);
        loop {
            let fault = match self.pool.get().await {
                Ok(client) => match work(&client).await {
                    Ok(done) => return Ok(done),
                    Err(fault) => {
                        if matches!(fault, Fault::Lost(_)) {
                            drop(Object::take(client));
                        }
                        fault
                    }
                },
                Err(PoolError::Backend(error)) => match Fault::from(error) {
                    Fault::Data(cause) => Fault::Failed(cause),
                    fault => fault,
                },
                Err(error) => Fault::Lost(error.into()),
            };
            trial.next(fault).await?;
        }
    }
}

/// Among the jobs that have ended: there is news for those who follow.
const NO_JOB: JobId = JobId::from_uuid(Uuid::nil());

const UNKNOWN: u8 = 0;
const ALONE: u8 = 1;
const OTHERS: u8 = 2;

/// Hearing and telling.
impl Core {
    pub(super) fn set_ear(&self, ear: Ear) {
        *self.ear.lock() = Some(ear);
    }

    pub(super) fn hear(&self, heard: Heard) {
        let ear = self.ear.lock().clone();
        if let Some(ear) = ear {
            ear(heard);
        }
    }

    /// Takes a notice of another process: `work` or `ended <ids>`, with the token of who sent it, if it was a store.
    pub(super) fn notified(&self, payload: &str) {
        let mut words = payload.split(' ');
        let kind = words.next();
        if words.next() == Some(&self.token) {
            return;
        }
        match kind {
            Some("work") => self.hear(Heard::Work),
            Some("ended") => {
                let ids = words.next().into_iter().flat_map(|ids| ids.split(','));
                self.hear_ends(ids.filter_map(|id| id.parse().ok()).collect());
            }
            _ => self.hear(Heard::Something),
        }
    }

    /// Remembers whether there are other worker processes, as a beat has seen it.
    pub(super) fn saw_others(&self, others: bool) {
        self.others.store(if others { OTHERS } else { ALONE }, Ordering::Relaxed);
    }

    /// Remembers in which queues the starts are limited: who ends a run there makes room for others.
    pub(super) fn saw_limits(&self, limits: &BTreeMap<String, QueueLimits>) {
        let starts = limits.iter().filter(|(_, limits)| limits.limits_starts());
        *self.limited.lock() = starts.map(|(queue, _)| queue.clone()).collect();
    }

    pub(super) fn is_limited(&self, queue: &str) -> bool {
        self.limited.lock().contains(queue)
    }

    /// Something has become due that others may take: they are told soon, if there are any.
    pub(super) fn tell_of_work(&self) {
        if self.others.load(Ordering::Relaxed) != ALONE {
            self.notices.waiting.lock().0 = true;
            self.notices.ring.notify_one();
        }
    }

    /// Jobs have ended that are watched, or that somebody follows (then the id of no job is among them): this process
    /// hears it at once, others soon.
    pub(super) fn tell_of_ends(&self, ids: Option<Vec<uuid::Uuid>>) {
        let ids: Vec<_> = ids.unwrap_or_default().into_iter().map(JobId::from_uuid).collect();
        if !ids.is_empty() {
            {
                let mut waiting = self.notices.waiting.lock();
                let told = waiting.1.contains(&NO_JOB);
                waiting.1.extend(ids.iter().filter(|id| !told || **id != NO_JOB));
            }
            self.notices.ring.notify_one();
            self.hear_ends(ids);
        }
    }

    fn hear_ends(&self, mut ids: Vec<JobId>) {
        let all = ids.len();
        ids.retain(|id| *id != NO_JOB);
        if ids.len() < all {
            self.hear(Heard::Followed);
        }
        if !ids.is_empty() {
            self.hear(Heard::Ended(ids));
        }
    }
}

/// Waits for the answer to a statement, but not for ever.
pub(super) async fn in_time<T>(answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
    match timeout(STATEMENT, answer).await {
        Ok(answer) => answer.map_err(Fault::from),
        Err(_) => Err(Fault::Lost(format!("no answer within {} s", STATEMENT.as_secs()).into())),
    }
}

/// Something that is tried until it is done, or until there is no more time.
pub(super) struct Trial {
    until: Instant,
    pause: Duration,
    again: u32,
    /// Whether an earlier try may have been done though its answer was lost.
    pub(super) unsure: bool,
}

impl Trial {
    /// So often two transactions may be in each other's way.
    const AGAIN: u32 = 20;

    pub(super) fn new(patience: Duration) -> Self {
        Self { until: Instant::now() + patience, pause: Duration::from_millis(5), again: 0, unsure: false }
    }

    /// Waits before the next try, if there is to be one.
    pub(super) async fn next(&mut self, fault: Fault) -> Result<(), Fault> {
        match fault {
            Fault::Lost(cause) => {
                self.unsure = true;
                if Instant::now() + self.pause > self.until {
                    return Err(Fault::Lost(cause));
                }
                tracing::debug!("the database is tried again: {cause}");
                tokio::time::sleep(self.pause).await;
                self.pause = (self.pause * 2).min(Duration::from_millis(500));
                Ok(())
            }
            Fault::Again(cause) => {
                self.again += 1;
                if self.again > Self::AGAIN {
                    return Err(Fault::Again(cause));
                }
                tokio::time::sleep(Duration::from_millis(u64::from(self.again))).await;
                Ok(())
            }
            fault => Err(fault),
        }
    }
}
