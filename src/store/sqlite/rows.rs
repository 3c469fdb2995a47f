//! How a job is read: its row, and the one other row that says where it is in its life.

use callboard_tasks::{Job, JobId, Phase, WorkerId};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use uuid::Uuid;

use crate::store::record::{self, Damaged, SpecRow};

/// The columns of [`spec`], in its order.
macro_rules! spec_columns {
    () => {
        "j.id, j.task, j.queue, j.priority, j.enqueued_at, j.run_after, j.expires_at, j.args, j.metadata, j.rare"
    };
}
pub(super) use spec_columns;

/// How many columns that are.
pub(super) const SPEC_COLUMNS: usize = 10;

/// A whole job; what follows may filter by `j`. Where a job without a past waits follows from its row.
macro_rules! job_select {
    ($($from:literal),+) => {
        concat!(
            "SELECT ",
            crate::store::sqlite::rows::spec_columns!(),
            ", s.state, c.worker, c.claimed_at, c.version, ",
            "d.phase, d.at, d.started_at, d.worker, d.version, d.value, w.version, l.version, p.version FROM ",
            $($from,)+
            " LEFT JOIN callboard_states s ON s.id = j.id",
            " LEFT JOIN callboard_done d ON d.id = j.id",
            " LEFT JOIN callboard_ready w ON w.queue = j.queue AND w.rank = -j.priority",
            " AND w.at = max(j.enqueued_at, coalesce(j.run_after, j.enqueued_at)) AND w.id = j.id",
            " LEFT JOIN callboard_later l",
            " ON l.at = max(j.enqueued_at, coalesce(j.run_after, j.enqueued_at)) AND l.id = j.id",
            " LEFT JOIN callboard_parked p ON p.task = j.task AND p.id = j.id",
            // What is nowhere else is in its first run, and there are few rows of claims.
            " LEFT JOIN callboard_claims c ON s.id IS NULL AND d.id IS NULL AND w.id IS NULL AND l.id IS NULL",
            " AND p.id IS NULL AND instr(c.ids, j.id) > 0",
        )
    };
}
pub(super) use job_select;

/// A job as it stands in the tables; made into a [`Job`] outside the writer.
#[derive(Debug)]
pub(super) struct JobRow {
    spec: SpecRow,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// With a past: its state, and its return value.
    Kept(String, Option<String>),
    Running {
        worker: WorkerId,
        claimed_at: i64,
        version: i64,
    },
    Succeeded {
        worker: WorkerId,
        started_at: i64,
        at: i64,
        version: i64,
        value: String,
    },
    Waiting(Phase, i64),
    Nowhere,
}

/// The id in a column.
pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<JobId> {
    uuid(row, column).map(JobId::from_uuid)
}

/// The ids in a column of many.
pub(super) fn ids(bytes: &[u8]) -> impl Iterator<Item = JobId> + '_ {
    let (ids, _) = bytes.as_chunks::<16>();
    ids.iter().map(|id| JobId::from_uuid(Uuid::from_bytes(*id)))
}

/// The worker in a column.
pub(super) fn worker(row: &Row<'_>, column: usize) -> rusqlite::Result<WorkerId> {
    uuid(row, column).map(WorkerId::from_uuid)
}

fn uuid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uuid> {
    Ok(Uuid::from_bytes(row.get::<_, [u8; 16]>(column)?))
}

/// The spec that begins at a column.
pub(super) fn spec(row: &Row<'_>, first: usize) -> rusqlite::Result<SpecRow> {
    Ok(SpecRow {
        id: id(row, first)?,
        task: row.get(first + 1)?,
        queue: row.get(first + 2)?,
        priority: row.get(first + 3)?,
        enqueued_at: row.get(first + 4)?,
        run_after: row.get(first + 5)?,
        expires_at: row.get(first + 6)?,
        args: row.get(first + 7)?,
        metadata: row.get(first + 8)?,
        rare: row.get(first + 9)?,
    })
}

/// Reads a row of [`job_select!`].
pub(super) fn job_row(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    const AT: usize = SPEC_COLUMNS;
    let has = |column: usize| Ok::<_, rusqlite::Error>(!matches!(row.get_ref(column)?, ValueRef::Null));
    let place = if has(AT)? {
        Place::Kept(row.get(AT)?, row.get(AT + 9)?)
    } else if has(AT + 4)? {
        Place::Succeeded {
            at: row.get(AT + 5)?,
            started_at: row.get(AT + 6)?,
            worker: worker(row, AT + 7)?,
            version: row.get(AT + 8)?,
            value: row.get(AT + 9)?,
        }
    } else if has(AT + 1)? {
        Place::Running { worker: worker(row, AT + 1)?, claimed_at: row.get(AT + 2)?, version: row.get(AT + 3)? }
    } else if has(AT + 10)? {
        Place::Waiting(Phase::Ready, row.get(AT + 10)?)
    } else if has(AT + 11)? {
        Place::Waiting(Phase::Scheduled, row.get(AT + 11)?)
    } else if has(AT + 12)? {
        Place::Waiting(Phase::Parked, row.get(AT + 12)?)
    } else {
        Place::Nowhere
    };
    Ok(JobRow { spec: spec(row, 0)?, place })
}

impl JobRow {
    pub(super) fn into_job(self) -> Result<Job, Damaged> {
        let id = self.spec.id;
        let spec = self.spec.into_spec()?;
        match self.place {
            Place::Kept(text, value) => Ok(Job { state: record::state(id, &text, value)?, spec: spec.into() }),
            Place::Running { worker, claimed_at, version } => {
                record::first_run(spec, worker, record::time(claimed_at)?, record::unsigned(version))
            }
            Place::Succeeded { worker, started_at, at, version, value } => {
                let (started, ended) = (record::time(started_at)?, record::time(at)?);
                record::first_success(spec, worker, started, ended, value, record::unsigned(version))
            }
            Place::Waiting(phase, version) => Ok(record::waiting(spec, phase, record::unsigned(version))),
            Place::Nowhere => Err(record::damaged(id, &"it is in no table of a phase")),
        }
    }
}

/// One job, by its id.
pub(super) fn find(connection: &Connection, id: JobId) -> rusqlite::Result<Option<JobRow>> {
    let mut select = connection.prepare_cached(concat!(job_select!("callboard_jobs j"), " WHERE j.id = ?1"))?;
    let mut rows = select.query([id.as_uuid().as_bytes()])?;
    rows.next()?.map(job_row).transpose()
}
