//! Looking up, listing and counting, on a connection that only reads.

use std::collections::{BTreeMap, BTreeSet};

use callboard_tasks::{
    Filter, Job, JobId, Listing, Lookup, Page, Phase, Prunable, Published, QueueStats, Stats, Status, Timestamp,
};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::fault::{Fault, Kind};
use super::limits;
use super::rows::{self, JobRow, job_row, job_select};
use crate::store::record::{Damaged, code, micros, phase, time, unsigned};

/// What is known of each id.
pub(super) fn get(connection: &Connection, ids: &[JobId]) -> Result<Vec<Found>, Fault> {
    let mut pruned = connection.prepare_cached("SELECT 1 FROM callboard_pruned WHERE id = ?1")?;
    let look = |id: &JobId| {
        Ok(match rows::find(connection, *id)? {
            Some(row) => Found::Row(row),
            None if pruned.exists([id.as_uuid().as_bytes()])? => Found::Pruned,
            None => Found::Unknown,
        })
    };
    ids.iter().map(look).collect()
}

/// A [`Lookup`] whose job has yet to be made.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub(super) enum Found {
    Row(JobRow),
    Pruned,
    Unknown,
}

impl Found {
    pub(super) fn into_lookup(self) -> Result<Lookup, Damaged> {
        Ok(match self {
            Self::Row(row) => Lookup::Found(row.into_job()?),
            Self::Pruned => Lookup::Pruned,
            Self::Unknown => Lookup::Unknown,
        })
    }
}

/// Those of `ids` that have ended, or are gone.
pub(super) fn ended(connection: &Connection, ids: &[JobId]) -> Result<Vec<JobId>, Fault> {
    let mut select = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM callboard_done WHERE id = ?1)
             OR NOT EXISTS (SELECT 1 FROM callboard_jobs WHERE id = ?1)",
    )?;
    let mut ended = Vec::new();
    for id in ids {
        if select.query_row([id.as_uuid().as_bytes()], |row| row.get(0))? {
            ended.push(*id);
        }
    }
    Ok(ended)
}

/// The jobs whose ids a query gives as `of`.
macro_rules! of {
    ($ids:literal) => {
        job_select!("(", $ids, ") i CROSS JOIN callboard_jobs j ON j.id = i.of")
    };
}

/// Where the jobs of a phase are found, but for those that run.
const fn ids_of(phase: Phase) -> Option<&'static str> {
    Some(match phase {
        Phase::Scheduled => of!("SELECT id AS of FROM callboard_later WHERE phase = 1"),
        Phase::RetryWait => of!("SELECT id AS of FROM callboard_later WHERE phase = 6"),
        Phase::Ready => of!("SELECT id AS of FROM callboard_ready UNION ALL SELECT id FROM callboard_suspects"),
        Phase::Parked => of!("SELECT id AS of FROM callboard_parked"),
        Phase::Successful => of!("SELECT id AS of FROM callboard_done WHERE phase = 7"),
        Phase::Failed => of!("SELECT id AS of FROM callboard_done WHERE phase = 8"),
        Phase::Cancelled => of!("SELECT id AS of FROM callboard_done WHERE phase = 9"),
        Phase::Expired => of!("SELECT id AS of FROM callboard_done WHERE phase = 10"),
        Phase::Quarantined => of!("SELECT id AS of FROM callboard_done WHERE phase = 11"),
        Phase::Running | Phase::Cancelling => return None,
    })
}

/// Jobs that fit, newest first.
pub(super) fn list(connection: &Connection, filter: &Filter, page: Page) -> Result<Listing, Fault> {
    at_once(connection, || list_now(connection, filter, page))
}

/// Reads several tables as of one moment.
fn at_once<T>(connection: &Connection, read: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    connection.execute_batch("BEGIN")?;
    let read = read();
    connection.execute_batch("ROLLBACK")?;
    read
}

fn list_now(connection: &Connection, filter: &Filter, page: Page) -> Result<Listing, Fault> {
    let of_status = |status: Status| Phase::ALL.into_iter().filter(move |phase| phase.status() == status);
    let phases: Option<Vec<Phase>> = match (filter.phase, filter.status) {
        (Some(phase), Some(status)) if phase.status() != status => Some(Vec::new()),
        (Some(phase), _) => Some(vec![phase]),
        (None, Some(status)) => Some(of_status(status).collect()),
        (None, None) => None,
    };
    let most = page.limit.max(1);
    let wanted = most.saturating_add(1);
    let mut jobs = match phases {
        // The tables of phases lead to the jobs; each is asked for its newest, and the newest of all are taken.
        Some(phases) => {
            let mut jobs = Vec::new();
            for phase in phases {
                jobs.extend(match ids_of(phase) {
                    Some(from) => select(connection, from, "i.of", filter, page.before, wanted)?,
                    None => running(connection, phase, filter, page.before, wanted)?,
                });
            }
            jobs.sort_unstable_by_key(|job: &Job| std::cmp::Reverse(job.id()));
            jobs
        }
        None => select(connection, job_select!("callboard_jobs j"), "j.id", filter, page.before, wanted)?,
    };
    let more = jobs.len() > most;
    jobs.truncate(most);
    let next = jobs.last().map(Job::id).filter(|_| more);
    Ok(Listing { jobs, next })
}

/// Jobs that run: there are never many, so each is looked at.
fn running(
    connection: &Connection,
    phase: Phase,
    filter: &Filter,
    before: Option<JobId>,
    wanted: usize,
) -> Result<Vec<Job>, Fault> {
    let mut ids: BTreeSet<JobId> = connection
        .prepare_cached("SELECT id FROM callboard_running WHERE phase = ?1")?
        .query_map([code(phase)], |row| rows::id(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    if phase == Phase::Running {
        let mut select = connection.prepare_cached("SELECT ids FROM callboard_claims")?;
        for claimed in select.query_map([], |row| row.get::<_, Vec<u8>>(0))? {
            ids.extend(rows::ids(&claimed?));
        }
    }
    let mut jobs = Vec::new();
    for id in ids.into_iter().rev().filter(|id| before.is_none_or(|before| *id < before)) {
        if jobs.len() == wanted {
            break;
        }
        if let Some(row) = rows::find(connection, id)? {
            let job = row.into_job()?;
            if job.state.phase == phase && filter.admits(&job) {
                jobs.push(job);
            }
        }
    }
    Ok(jobs)
}

fn select(
    connection: &Connection,
    from: &str,
    id: &str,
    filter: &Filter,
    before: Option<JobId>,
    wanted: usize,
) -> Result<Vec<Job>, Fault> {
    let mut sql = from.to_owned();
    let mut values: Vec<Value> = Vec::new();
    let mut only = |condition: &str, value: Value| {
        sql.push_str(if values.is_empty() { " WHERE " } else { " AND " });
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(before) = before {
        only(&format!("{id} < ?"), before.as_uuid().as_bytes().to_vec().into());
    }
    if let Some(task) = &filter.task {
        only("j.task = ?", task.clone().into());
    }
    if let Some(queue) = &filter.queue {
        only("j.queue = ?", queue.clone().into());
    }
    if let Some(tag) = &filter.tag {
        // Rows that hold the text somewhere; whether as a tag is decided below.
        let text = serde_json::to_string(tag).map_err(|error| Fault::new(Kind::Single, error.to_string()))?;
        only("instr(j.rare, ?) > 0", text.into());
    }
    if let Some(time) = &filter.enqueued {
        // A time is kept in whole microseconds; one that starts within the next belongs to it.
        only("j.enqueued_at >= ?", up(time.start).into());
        only("j.enqueued_at < ?", up(time.end).into());
    }
    sql.push_str(&format!(" ORDER BY {id} DESC"));
    let mut jobs = Vec::new();
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query(params_from_iter(values))?;
    while jobs.len() < wanted
        && let Some(row) = rows.next()?
    {
        let job = job_row(row)?.into_job()?;
        // An id that was used again, after its job was removed, may stand in two rows of claims.
        let again = jobs.last().is_some_and(|last: &Job| last.id() == job.id());
        if !again && filter.admits(&job) {
            jobs.push(job);
        }
    }
    Ok(jobs)
}

/// The first whole microsecond that is not before a time.
fn up(time: Timestamp) -> i64 {
    micros(time) + i64::from(time.subsec_nanosecond() % 1_000 > 0)
}

/// The numbers: hot rows are counted, history is not.
pub(super) fn stats(connection: &Connection) -> Result<Stats, Fault> {
    at_once(connection, || all_stats(connection))
}

fn all_stats(connection: &Connection) -> Result<Stats, Fault> {
    let mut stats = Stats::default();
    let mut counted = connection.prepare_cached(
        "SELECT queue, 2, count(*), min(at) FROM callboard_ready GROUP BY queue
         UNION ALL SELECT queue, 2, count(*), min(at) FROM callboard_suspects GROUP BY queue
         UNION ALL SELECT queue, 3, count(*), NULL FROM callboard_parked GROUP BY queue
         UNION ALL SELECT queue, phase, count(*), NULL FROM callboard_later GROUP BY queue, phase
         UNION ALL SELECT queue, phase, count(*), NULL FROM callboard_running GROUP BY queue, phase
         UNION ALL SELECT queue, 4, sum(jobs), NULL FROM callboard_claims GROUP BY queue
         UNION ALL SELECT queue, phase, jobs, NULL FROM callboard_counts WHERE jobs > 0",
    )?;
    let mut rows = counted.query([])?;
    while let Some(row) = rows.next()? {
        let queue: &mut QueueStats = stats.queues.entry(row.get(0)?).or_default();
        *queue.phases.entry(phase(row.get(1)?)?).or_default() += unsigned(row.get(2)?);
        if let Some(at) = row.get::<_, Option<i64>>(3)?.map(time).transpose()? {
            queue.oldest_ready = Some(queue.oldest_ready.map_or(at, |oldest| oldest.min(at)));
        }
    }
    let mut paused = connection.prepare_cached("SELECT queue FROM callboard_paused")?;
    for queue in paused.query_map([], |row| row.get::<_, String>(0))? {
        stats.queues.entry(queue?).or_default().paused = true;
    }
    for (queue, limits) in limits::read(connection)? {
        stats.queues.entry(queue).or_default().limits = limits;
    }
    let mut published = connection.prepare_cached("SELECT name, task FROM callboard_published")?;
    let mut rows = published.query([])?;
    let mut tasks: BTreeMap<String, Published> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let text = row.get_ref(1)?.as_str().map_err(|error| Damaged(format!("task {name}: {error}")))?;
        let task = serde_json::from_str(text).map_err(|error| Damaged(format!("task {name}: {error}")))?;
        tasks.insert(name, task);
    }
    stats.published = tasks;
    let mut workers = connection.prepare_cached("SELECT id, lease_ends FROM callboard_workers ORDER BY id")?;
    let mut rows = workers.query([])?;
    while let Some(row) = rows.next()? {
        stats.workers.push((rows::worker(row, 0)?, time(row.get(1)?)?));
    }
    Ok(stats)
}

/// How many finished jobs are too old.
pub(super) fn prunable(connection: &Connection, now: i64, keep: [i64; 2]) -> Result<Prunable, Fault> {
    let mut ends = connection.prepare_cached("SELECT at, ids FROM callboard_ends WHERE failed = ?1 AND at <= ?2")?;
    let mut done = connection.prepare_cached("SELECT phase FROM callboard_done WHERE id = ?1 AND at = ?2")?;
    let mut counts = [0, 0];
    for failed in [false, true] {
        // One that ended twice in the same moment stands there twice.
        let mut seen = std::collections::HashSet::new();
        let old = now.saturating_sub(keep[usize::from(failed)]);
        let mut rows = ends.query(rusqlite::params![failed, old])?;
        while let Some(row) = rows.next()? {
            let at: i64 = row.get(0)?;
            let ids: Vec<u8> = row.get(1)?;
            for id in ids.chunks_exact(16) {
                let mut found = done.query(rusqlite::params![id, at])?;
                if let Some(row) = found.next()?
                    && (row.get::<_, i64>(0)? != code(Phase::Successful)) == failed
                    && seen.insert(id.to_vec())
                {
                    counts[usize::from(failed)] += 1;
                }
            }
        }
    }
    Ok(Prunable { successful: counts[0], failed: counts[1] })
}

/// Tasks of due jobs that no process with a lease that holds has.
pub(super) fn foreign_tasks(connection: &Connection, now: i64) -> Result<Vec<String>, Fault> {
    let mut select = connection.prepare_cached(
        "WITH live (task) AS (SELECT t.task FROM callboard_worker_tasks t
                              JOIN callboard_workers w ON w.id = t.worker WHERE w.lease_ends > ?1)
         SELECT DISTINCT task FROM callboard_ready WHERE task NOT IN live
         UNION SELECT task FROM callboard_suspects WHERE task NOT IN live
         UNION SELECT task FROM callboard_later WHERE at <= ?1 AND task NOT IN live",
    )?;
    Ok(select.query_map([now], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}
