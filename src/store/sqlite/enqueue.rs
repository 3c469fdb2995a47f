//! New jobs: through the writer, or in a transaction of the caller's own.

use std::sync::Arc;

use callboard_tasks::{Idempotency, JobSpec, Placed, QueueLimits, StoreError, Unit, WorkerId};
use rusqlite::{Connection, ErrorCode, params};

use super::fault::{Fault, Trouble};
use super::hot::{Hot, INSERT_EXPIRING, INSERT_JOB, INSERT_LATER, INSERT_READY, ROWS};
use super::keyed;
use super::keys::keys_of;
use super::limits;
use super::txn::{Memory, Txn};
use crate::store::record::{micros, rare};

/// A unit with what is made of it before it reaches the writer.
#[derive(Debug)]
pub(super) struct NewUnit {
    pub(super) jobs: Vec<NewJob>,
    worker: Option<WorkerId>,
    pub(super) idempotency: Option<Idempotency>,
    /// Whether it, or one of its jobs, may be there already.
    keyed: bool,
}

#[derive(Debug)]
pub(super) struct NewJob {
    pub(super) spec: Arc<JobSpec>,
    rare: Option<String>,
    /// The effective time.
    at: i64,
}

impl From<Unit> for NewUnit {
    fn from(unit: Unit) -> Self {
        let Unit { jobs, claim, idempotency } = unit;
        let keyed = idempotency.is_some() || jobs.iter().any(|spec| spec.unique.is_some());
        let jobs = jobs.into_iter().map(NewJob::new).collect();
        Self { jobs, worker: claim.map(|claim| claim.worker), idempotency, keyed }
    }
}

impl NewUnit {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn queues(&self) -> impl Iterator<Item = &str> {
        self.jobs.iter().map(|job| &*job.spec.queue)
    }
}

impl NewJob {
    fn new(spec: Arc<JobSpec>) -> Self {
        let (rare, at) = (rare(&spec), micros(spec.effective_time()));
        Self { spec, rare, at }
    }

    /// Whether it is scheduled, as [`JobState::new`](callboard_tasks::JobState::new) has it.
    fn waits(&self) -> bool {
        self.spec.run_after.is_some_and(|at| at > self.spec.enqueued_at)
    }

    fn rank(&self) -> i64 {
        -i64::from(self.spec.priority)
    }
}

/// Keeps units; one whose id is taken harms no other.
pub(super) fn enqueue(txn: &mut Txn<'_, '_>, units: &[NewUnit]) -> Result<Vec<Result<Placed, StoreError>>, Trouble> {
    let plain = units.iter().all(|unit| !unit.keyed);
    if plain
        && units.iter().map(NewUnit::len).sum::<usize>() >= ROWS
        && all_may_wait(txn, units)?
        && let Some(placed) = put_many(txn, units)?
    {
        return Ok(placed.into_iter().map(Ok).collect());
    }
    let mut answers = Vec::with_capacity(units.len());
    for unit in units {
        answers.push(match put_one(txn, unit) {
            Err(Trouble::Refused(no)) => Err(no),
            placed => Ok(placed?),
        });
    }
    Ok(answers)
}

/// Whether there is room for all of them where they would wait.
fn all_may_wait(txn: &mut Txn<'_, '_>, units: &[NewUnit]) -> Result<bool, Trouble> {
    match txn.check_depth(units.iter().flat_map(NewUnit::queues)) {
        Err(Trouble::Refused(_)) => Ok(false),
        checked => checked.map(|()| true),
    }
}

/// Keeps one unit, in the transaction of the writer or of a caller.
pub(super) fn put_one(txn: &mut Txn<'_, '_>, unit: &NewUnit) -> Result<Placed, Trouble> {
    if unit.keyed {
        return keyed::put(txn, unit);
    }
    txn.check_depth(unit.queues())?;
    put_unit(txn, unit)
}

/// Keeps the jobs of all units, many by one statement; `None`, and nothing is kept, if one of their ids is taken.
fn put_many(txn: &mut Txn<'_, '_>, units: &[NewUnit]) -> Result<Option<Vec<Placed>>, Trouble> {
    let jobs: Vec<&NewJob> = units.iter().flat_map(|unit| &unit.jobs).collect();
    let mut kept = 0;
    while kept < jobs.len() {
        let rows = if jobs.len() - kept >= ROWS { ROWS } else { 1 };
        match insert_jobs(txn, &jobs[kept..kept + rows]) {
            Err(error) if is_taken_id(&error) => {
                // Those before the refused one are written.
                kept += usize::try_from(txn.connection.changes()).unwrap_or(0);
                let mut delete = txn.connection.prepare_cached("DELETE FROM callboard_jobs WHERE id = ?1")?;
                for job in &jobs[..kept] {
                    delete.execute([job.spec.id.as_uuid().as_bytes()])?;
                }
                return Ok(None);
            }
            inserted => inserted?,
        }
        kept += rows;
    }
    let mut placed = Vec::with_capacity(units.len());
    let mut ready = Vec::with_capacity(ROWS);
    for unit in units {
        let worker = worker_of(txn, unit)?;
        for job in &unit.jobs {
            if worker.is_none() && !job.waits() {
                note_expiry(txn, job)?;
                txn.memory.depths.add(&job.spec.queue);
                ready.push(job);
                if ready.len() == ROWS {
                    insert_readies(txn, &ready)?;
                    ready.clear();
                }
            } else {
                place(txn, job, worker)?;
            }
        }
        placed.push(Placed::made(worker.is_some()));
    }
    for job in ready {
        insert_ready(txn, job)?;
    }
    Ok(Some(placed))
}

/// Writes one row, or [`ROWS`], by one statement.
fn insert_jobs(txn: &mut Txn<'_, '_>, jobs: &[&NewJob]) -> rusqlite::Result<()> {
    let insert = if jobs.len() == ROWS { &mut txn.hot.insert_jobs } else { &mut txn.hot.insert_job };
    for (row, job) in jobs.iter().enumerate() {
        let (at, spec) = (row * 10, &*job.spec);
        insert.raw_bind_parameter(at + 1, &spec.id.as_uuid().as_bytes()[..])?;
        insert.raw_bind_parameter(at + 2, &*spec.task)?;
        insert.raw_bind_parameter(at + 3, &*spec.queue)?;
        insert.raw_bind_parameter(at + 4, spec.priority)?;
        insert.raw_bind_parameter(at + 5, micros(spec.enqueued_at))?;
        insert.raw_bind_parameter(at + 6, spec.run_after.map(micros))?;
        insert.raw_bind_parameter(at + 7, spec.expires_at.map(micros))?;
        insert.raw_bind_parameter(at + 8, spec.args.as_str())?;
        insert.raw_bind_parameter(at + 9, spec.metadata.as_ref().map(callboard_tasks::Json::as_str))?;
        insert.raw_bind_parameter(at + 10, job.rare.as_deref())?;
    }
    insert.raw_execute().map(drop)
}

fn insert_readies(txn: &mut Txn<'_, '_>, jobs: &[&NewJob]) -> rusqlite::Result<()> {
    let insert = &mut txn.hot.insert_readies;
    for (row, job) in jobs.iter().enumerate() {
        let (at, spec) = (row * 5, &*job.spec);
        insert.raw_bind_parameter(at + 1, &*spec.queue)?;
        insert.raw_bind_parameter(at + 2, job.rank())?;
        insert.raw_bind_parameter(at + 3, job.at)?;
        insert.raw_bind_parameter(at + 4, &spec.id.as_uuid().as_bytes()[..])?;
        insert.raw_bind_parameter(at + 5, &*spec.task)?;
    }
    insert.raw_execute().map(drop)
}

/// Who has the jobs of a unit from the start, if that can be.
fn worker_of(txn: &mut Txn<'_, '_>, unit: &NewUnit) -> Result<Option<WorkerId>, Trouble> {
    match unit.worker {
        Some(worker) if unit.jobs.iter().all(|job| job.at <= txn.now_micros) && txn.knows(worker)? => {
            let limits = txn.limits()?;
            let limited = |queue: &str| limits.get(queue).is_some_and(QueueLimits::limits_starts);
            Ok(Some(worker).filter(|_| limits.is_empty() || !unit.queues().any(limited)))
        }
        _ => Ok(None),
    }
}

/// Keeps jobs that wait, whose ids are known to be free.
pub(super) fn put_waiting(txn: &mut Txn<'_, '_>, jobs: &[&NewJob]) -> Result<(), Trouble> {
    for rows in jobs.chunks(ROWS) {
        if rows.len() == ROWS {
            insert_jobs(txn, rows)?;
        } else {
            rows.iter().try_for_each(|job| insert_jobs(txn, &[*job]))?;
        }
    }
    jobs.iter().try_for_each(|job| place(txn, job, None))
}

fn put_unit(txn: &mut Txn<'_, '_>, unit: &NewUnit) -> Result<Placed, Trouble> {
    let worker = worker_of(txn, unit)?;
    for (n, job) in unit.jobs.iter().enumerate() {
        let put = put_job(txn, job, worker);
        if matches!(put, Err(Trouble::Refused(_))) {
            for kept in &unit.jobs[..n] {
                take_back(txn, kept, worker)?;
            }
        }
        put?;
    }
    Ok(Placed::made(worker.is_some()))
}

fn put_job(txn: &mut Txn<'_, '_>, job: &NewJob, worker: Option<WorkerId>) -> Result<(), Trouble> {
    match insert_jobs(txn, &[job]) {
        Err(error) if is_taken_id(&error) => return Err(Trouble::Refused(StoreError::DuplicateId(job.spec.id))),
        inserted => inserted?,
    }
    place(txn, job, worker)
}

/// Puts a job whose row is written to where it begins.
fn place(txn: &mut Txn<'_, '_>, job: &NewJob, worker: Option<WorkerId>) -> Result<(), Trouble> {
    let (spec, id) = (&*job.spec, job.spec.id.as_uuid());
    let (id, queue, task): (_, &str, &str) = (id.as_bytes(), &spec.queue, &spec.task);
    if let Some(worker) = worker {
        txn.note_claim(spec.id, worker, queue, 2)?;
        if spec.limit_key.is_some() {
            txn.start_keys(spec.id, queue, keys_of(spec))?;
        }
        return note_expiry(txn, job);
    }
    txn.memory.depths.add(queue);
    if job.waits() {
        let mut insert = txn.connection.prepare_cached(INSERT_LATER)?;
        insert.execute(params![job.at, id, queue, job.rank(), task])?;
    } else {
        insert_ready(txn, job)?;
    }
    note_expiry(txn, job)
}

fn insert_ready(txn: &mut Txn<'_, '_>, job: &NewJob) -> rusqlite::Result<()> {
    let (spec, id) = (&*job.spec, job.spec.id.as_uuid());
    let row = params![&*spec.queue, job.rank(), job.at, id.as_bytes(), &*spec.task];
    txn.hot.insert_ready.execute(row).map(drop)
}

fn note_expiry(txn: &mut Txn<'_, '_>, job: &NewJob) -> Result<(), Trouble> {
    match job.spec.expires_at {
        Some(at) => txn.note_expiry(micros(at), job.spec.id),
        None => Ok(()),
    }
}

/// Undoes [`put_job`]: cheaper than a savepoint around each unit, because it is hardly ever needed.
fn take_back(txn: &mut Txn<'_, '_>, job: &NewJob, worker: Option<WorkerId>) -> Result<(), Trouble> {
    let (spec, id) = (&*job.spec, job.spec.id.as_uuid());
    let id = id.as_bytes();
    if worker.is_some() {
        txn.end_keys(spec.id, &spec.queue)?;
        txn.unnote_claim(spec.id);
    } else if job.waits() {
        let mut delete = txn.connection.prepare_cached("DELETE FROM callboard_later WHERE at = ?1 AND id = ?2")?;
        delete.execute(params![job.at, id])?;
    } else {
        txn.hot.delete_ready.execute(params![&*spec.queue, job.rank(), job.at, id])?;
    }
    if let Some(at) = spec.expires_at {
        let mut delete = txn.connection.prepare_cached("DELETE FROM callboard_expiring WHERE at = ?1 AND id = ?2")?;
        delete.execute(params![micros(at), id])?;
    }
    txn.connection.prepare_cached("DELETE FROM callboard_jobs WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Whether a row was refused because its primary key is there already; triggers and checks refuse otherwise.
pub(super) fn is_taken_id(error: &rusqlite::Error) -> bool {
    const PRIMARY_KEY: i32 = 1555;
    matches!(error, rusqlite::Error::SqliteFailure(e, _)
        if e.code == ErrorCode::ConstraintViolation && e.extended_code == PRIMARY_KEY)
}

/// Keeps new jobs in a transaction of the caller's own, in a file of the application's own: they are there when it
/// commits, and never were if it is rolled back. All of `jobs` are kept or none, but for those whose unique key another
/// job holds: what happens then, they say, and the answer has the job that was found.
///
/// The file must have been opened as a store once. Worker processes find the jobs within 20 ms of the commit while
/// another process is registered on the file, else within a second.
///
/// # Errors
///
/// [`StoreError::DuplicateId`] if one of the ids is taken; [`StoreError::UniqueConflict`]; [`StoreError::QueueFull`];
/// [`StoreError::Busy`] if another connection writes for longer
/// than this one's busy timeout; [`StoreError::Unavailable`] if the file has no tables of Callboard, or fails.
pub fn enqueue_in(connection: &Connection, jobs: &[Arc<JobSpec>]) -> Result<Placed, StoreError> {
    // The name must not clash with a savepoint that the caller has open; an inner one of the same name would not.
    let begin = connection.execute_batch("SAVEPOINT callboard_enqueue");
    let kept = begin.map_err(Trouble::from).and_then(|()| put_all(connection, jobs));
    let end = match &kept {
        Ok(_) => connection.execute_batch("RELEASE callboard_enqueue").map_err(Trouble::from),
        // Where the whole transaction was rolled back there is no savepoint any more.
        Err(_) if connection.is_autocommit() => Ok(()),
        Err(_) => {
            connection.execute_batch("ROLLBACK TO callboard_enqueue; RELEASE callboard_enqueue").map_err(Trouble::from)
        }
    };
    kept.and_then(|placed| end.map(|()| placed)).map_err(|trouble| match trouble {
        Trouble::Refused(no) => no,
        Trouble::Failed(fault) => fault.into_error(connection.path().unwrap_or("the database").as_ref()),
    })
}

fn put_all(connection: &Connection, jobs: &[Arc<JobSpec>]) -> Result<Placed, Trouble> {
    let failed = |error: rusqlite::Error| Trouble::Failed(Fault::from(error));
    let limits = limits::read(connection).map_err(Trouble::Failed)?;
    let may_be_full = |spec: &JobSpec| limits.get(&*spec.queue).is_some_and(|limits| limits.depth.is_some());
    if jobs.iter().any(|spec| spec.unique.is_some() || may_be_full(spec)) {
        return put_with_care(connection, jobs);
    }
    for spec in jobs {
        let job = NewJob::new(Arc::clone(spec));
        let (id, queue, task): (_, &str, &str) = (spec.id.as_uuid(), &spec.queue, &spec.task);
        let id = id.as_bytes();
        let mut insert = connection.prepare_cached(INSERT_JOB).map_err(failed)?;
        let inserted = insert.execute(params![
            id,
            task,
            queue,
            spec.priority,
            micros(spec.enqueued_at),
            spec.run_after.map(micros),
            spec.expires_at.map(micros),
            spec.args.as_str(),
            spec.metadata.as_ref().map(callboard_tasks::Json::as_str),
            job.rare
        ]);
        match inserted {
            Err(error) if is_taken_id(&error) => return Err(Trouble::Refused(StoreError::DuplicateId(spec.id))),
            inserted => inserted.map_err(failed)?,
        };
        if job.waits() {
            let mut insert = connection.prepare_cached(INSERT_LATER)?;
            insert.execute(params![job.at, id, queue, job.rank(), task])?;
        } else {
            let mut insert = connection.prepare_cached(INSERT_READY)?;
            insert.execute(params![queue, job.rank(), job.at, id, task])?;
        }
        if let Some(at) = spec.expires_at {
            connection.prepare_cached(INSERT_EXPIRING)?.execute(params![micros(at), id])?;
        }
    }
    Ok(Placed::default())
}

/// The same as the writer would do it, as of when the jobs were made.
fn put_with_care(connection: &Connection, jobs: &[Arc<JobSpec>]) -> Result<Placed, Trouble> {
    let now = jobs.iter().map(|spec| spec.enqueued_at).max().unwrap_or_default();
    let (mut hot, mut memory) = (Hot::prepare(connection)?, Memory::default());
    let mut txn = Txn::new(connection, &mut hot, &mut memory, now, &[0; 16], [0, 0]);
    let placed = put_one(&mut txn, &NewUnit::from(Unit::new(jobs.to_vec())))?;
    txn.flush()?;
    Ok(placed)
}
