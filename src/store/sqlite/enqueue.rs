//! New jobs: through the writer, or in a transaction of the caller's own.

use std::sync::Arc;

use callboard_tasks::{JobSpec, Placed, StoreError, Unit, WorkerId};
use rusqlite::{Connection, ErrorCode, params};

use super::fault::{Fault, Trouble};
use super::hot::{INSERT_EXPIRING, INSERT_JOB, INSERT_LATER, INSERT_READY, ROWS};
use super::txn::Txn;
use crate::store::record::{micros, rare};

/// A unit with what is made of it before it reaches the writer.
#[derive(Debug)]
pub(super) struct NewUnit {
    jobs: Vec<NewJob>,
    worker: Option<WorkerId>,
}

#[derive(Debug)]
struct NewJob {
    spec: Arc<JobSpec>,
    rare: Option<String>,
    /// The effective time.
    at: i64,
}

impl From<Unit> for NewUnit {
    fn from(unit: Unit) -> Self {
        Self { jobs: unit.jobs.into_iter().map(NewJob::new).collect(), worker: unit.claim.map(|claim| claim.worker) }
    }
}

impl NewUnit {
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
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
    if units.iter().map(NewUnit::len).sum::<usize>() >= ROWS
        && let Some(placed) = put_many(txn, units)?
    {
        return Ok(placed.into_iter().map(Ok).collect());
    }
    let mut answers = Vec::with_capacity(units.len());
    for unit in units {
        answers.push(match put_unit(txn, unit) {
            Err(Trouble::Refused(no)) => Err(no),
            placed => Ok(placed?),
        });
    }
    Ok(answers)
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
        place(txn, job, None)?;
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
        Some(worker) if unit.jobs.iter().all(|job| job.at <= txn.now_micros) && txn.knows(worker)? => Ok(Some(worker)),
        _ => Ok(None),
    }
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
    } else if job.waits() {
        let mut insert = txn.connection.prepare_cached(INSERT_LATER)?;
        insert.execute(params![job.at, id, queue, job.rank(), task])?;
    } else {
        txn.hot.insert_ready.execute(params![queue, job.rank(), job.at, id, task])?;
    }
    note_expiry(txn, job)
}

fn note_expiry(txn: &mut Txn<'_, '_>, job: &NewJob) -> Result<(), Trouble> {
    match job.spec.expires_at {
        Some(at) => txn.note_expiry(micros(at), job.spec.id),
        None => Ok(()),
    }
}

/// Undoes [`put_job`]: cheaper than a savepoint around each unit, because it is hardly ever needed.
fn take_back(txn: &mut Txn<'_, '_>, job: &NewJob, worker: Option<WorkerId>) -> rusqlite::Result<()> {
    let (spec, id) = (&*job.spec, job.spec.id.as_uuid());
    let id = id.as_bytes();
    if worker.is_some() {
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
/// commits, and never were if it is rolled back. All of `jobs` are kept or none.
///
/// The file must have been opened as a store once. Worker processes find the jobs within 20 ms of the commit while
/// another process is registered on the file, else within a second.
///
/// # Errors
///
/// [`StoreError::DuplicateId`] if one of the ids is taken; [`StoreError::Busy`] if another connection writes for longer
/// than this one's busy timeout; [`StoreError::Unavailable`] if the file has no tables of Callboard, or fails.
pub fn enqueue_in(connection: &Connection, jobs: &[Arc<JobSpec>]) -> Result<(), StoreError> {
    // The name must not clash with a savepoint that the caller has open; an inner one of the same name would not.
    let begin = connection.execute_batch("SAVEPOINT callboard_enqueue");
    let kept = begin.map_err(Trouble::from).and_then(|()| put_all(connection, jobs));
    let end = match &kept {
        Ok(()) => connection.execute_batch("RELEASE callboard_enqueue").map_err(Trouble::from),
        // Where the whole transaction was rolled back there is no savepoint any more.
        Err(_) if connection.is_autocommit() => Ok(()),
        Err(_) => {
            connection.execute_batch("ROLLBACK TO callboard_enqueue; RELEASE callboard_enqueue").map_err(Trouble::from)
        }
    };
    kept.and(end).map_err(|trouble| match trouble {
        Trouble::Refused(no) => no,
        Trouble::Failed(fault) => fault.into_error(connection.path().unwrap_or("the database").as_ref()),
    })
}

fn put_all(connection: &Connection, jobs: &[Arc<JobSpec>]) -> Result<(), Trouble> {
    let failed = |error: rusqlite::Error| Trouble::Failed(Fault::from(error));
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
    Ok(())
}
