//! New jobs: through the writer, or in a transaction of the caller's own.

use std::sync::Arc;

use callboard_tasks::{JobSpec, Placed, StoreError, Unit, WorkerId};
use rusqlite::{Connection, ErrorCode, params};

use super::fault::{Fault, Trouble};
use super::hot::{INSERT_EXPIRING, INSERT_JOB, INSERT_LATER, INSERT_READY};
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
    let mut answers = Vec::with_capacity(units.len());
    for unit in units {
        answers.push(match put_unit(txn, unit) {
            Err(Trouble::Refused(no)) => Err(no),
            placed => Ok(placed?),
        });
    }
    Ok(answers)
}

fn put_unit(txn: &mut Txn<'_, '_>, unit: &NewUnit) -> Result<Placed, Trouble> {
    let worker = match unit.worker {
        Some(worker) if unit.jobs.iter().all(|job| job.at <= txn.now_micros) && txn.knows(worker)? => Some(worker),
        _ => None,
    };
    for (n, job) in unit.jobs.iter().enumerate() {
        let put = put_job(txn, job, worker);
        if matches!(put, Err(Trouble::Refused(_))) {
            for kept in &unit.jobs[..n] {
                take_back(txn, kept, worker)?;
            }
        }
        put?;
    }
    Ok(Placed { claimed: worker.is_some() })
}

fn put_job(txn: &mut Txn<'_, '_>, job: &NewJob, worker: Option<WorkerId>) -> Result<(), Trouble> {
    let (spec, id) = (&*job.spec, job.spec.id.as_uuid());
    let id = id.as_bytes();
    let (queue, task): (&str, &str) = (&spec.queue, &spec.task);
    let inserted = txn.hot.insert_job.execute(params![
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
        inserted => inserted?,
    };
    if let Some(worker) = worker {
        txn.note_claim(spec.id, worker, queue, 2)?;
    } else if job.waits() {
        let mut insert = txn.connection.prepare_cached(INSERT_LATER)?;
        insert.execute(params![job.at, id, queue, job.rank(), task])?;
    } else {
        txn.hot.insert_ready.execute(params![queue, job.rank(), job.at, id, task])?;
    }
    if let Some(at) = spec.expires_at {
        txn.connection.prepare_cached(INSERT_EXPIRING)?.execute(params![micros(at), id])?;
    }
    Ok(())
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
