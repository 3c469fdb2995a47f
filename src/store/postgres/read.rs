//! Looking jobs up, listing and counting, on connections of the pool.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use callboard_tasks::{
    Filter, Job, JobId, Listing, Lookup, Page, Phase, Prunable, Published, QueueStats, Stats, StoreError, WorkerId,
};
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::core::Core;
use super::fault::Fault;
use super::sql::Sql;
use super::{limits, row};
use crate::store::record::{self, code, damaged, unsigned};

/// How long a question is asked.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn get(core: &Core, ids: &[JobId]) -> Result<Vec<Lookup>, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = core.pooled(PATIENCE, async |client| {
        let rows = core.alone(client, &core.sql.find, &[&ids]).await?;
        let pruned =
            if rows.len() < ids.len() { core.alone(client, &core.sql.were_pruned, &[&ids]).await? } else { Vec::new() };
        lookups(&ids, &rows, &pruned)
    });
    found.await.map_err(|fault| fault.into_error(None))
}

/// What is known of these ids, in their order.
pub(super) fn lookups(ids: &[Uuid], rows: &[Row], pruned: &[Row]) -> Result<Vec<Lookup>, Fault> {
    let jobs: Vec<Job> = rows.iter().map(row::job).collect::<Result<_, _>>()?;
    let jobs: HashMap<Uuid, Job> = jobs.into_iter().map(|job| (job.id().as_uuid(), job)).collect();
    let pruned: HashSet<Uuid> = pruned.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let look = |id: &Uuid| match jobs.get(id) {
        Some(job) => Lookup::Found(job.clone()),
        None if pruned.contains(id) => Lookup::Pruned,
        None => Lookup::Unknown,
    };
    Ok(ids.iter().map(look).collect())
}

/// A question that is put together from what is asked.
struct Question<'a> {
    conditions: Vec<String>,
    parameters: Vec<&'a (dyn ToSql + Sync)>,
    types: Vec<Type>,
}

impl<'a> Question<'a> {
    /// Adds a condition, in which `?` stands for the value.
    fn must(&mut self, condition: &str, value: &'a (dyn ToSql + Sync), kind: Type) {
        self.parameters.push(value);
        self.types.push(kind);
        self.conditions.push(condition.replace('?', &format!("${}", self.parameters.len())));
    }
}

pub(super) async fn list(core: &Core, filter: &Filter, page: Page) -> Result<Listing, StoreError> {
    let limit = page.limit.max(1);
    let most = i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1;
    let before = page.before.map(JobId::as_uuid);
    let phases: Option<Vec<i16>> = (filter.phase.is_some() || filter.status.is_some()).then(|| {
        let fits = |phase: &Phase| {
            filter.phase.is_none_or(|wanted| wanted == *phase)
                && filter.status.is_none_or(|wanted| wanted == phase.status())
        };
        Phase::ALL.into_iter().filter(fits).map(|phase| code(phase) as i16).collect()
    });
    if phases.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Listing { jobs: Vec::new(), next: None });
    }
    let mut question = Question { conditions: vec!["true".into()], parameters: Vec::new(), types: Vec::new() };
    // The narrow table is asked first: few jobs wait or run, however many have ended.
    let home = match &phases {
        None => 'j',
        Some(phases) => {
            question.must("coalesce(w.phase, r.phase, d.phase) = ANY(?)", phases, Type::INT2_ARRAY);
            let all = |of: &[i16]| phases.iter().all(|phase| of.contains(phase));
            if all(&[1, 2, 3, 6]) {
                'w'
            } else if all(&[4, 5]) {
                'r'
            } else if all(&[7, 8, 9, 10, 11]) {
                if all(&[8, 9, 10, 11]) {
                    // There is an index of those alone (`done_failures`).
                    question.conditions.push("d.phase > 7".into());
                }
                'd'
            } else {
                'j'
            }
        }
    };
    if let Some(before) = &before {
        // Whichever of the two tables the planner reads along, it must begin where the last page ended.
        question.must("j.id < ?", before, Type::UUID);
        if home != 'j' {
            question.must(&format!("{home}.id < ?"), before, Type::UUID);
        }
    }
    if let Some(task) = &filter.task {
        question.must("j.task = ?", task, Type::TEXT);
    }
    if let Some(queue) = &filter.queue {
        question.must("j.queue = ?", queue, Type::TEXT);
    }
    if let Some(tag) = &filter.tag {
        question.must(
            "EXISTS (SELECT FROM json_array_elements_text(j.rare::json -> 'tags') t WHERE t = ?)",
            tag,
            Type::TEXT,
        );
    }
    if let Some(enqueued) = &filter.enqueued {
        question.must("j.enqueued_at >= ?", &enqueued.start, Type::TIMESTAMPTZ);
        question.must("j.enqueued_at < ?", &enqueued.end, Type::TIMESTAMPTZ);
    }
    let s = &core.schema;
    let narrow = [('w', "waiting"), ('r', "running"), ('d', "done")];
    let first = match narrow.iter().find(|(short, _)| *short == home) {
        None => format!("{s}.job j"),
        // Its rows lead to their jobs: a planner without statistics may prefer the other way, which is a long one.
        Some((short, table)) => format!(
            "{s}.{table} {short} CROSS JOIN LATERAL (SELECT * FROM {s}.job j WHERE j.id = {short}.id OFFSET 0) j"
        ),
    };
    let others: String = narrow
        .iter()
        .filter(|(short, _)| *short != home)
        .map(|(short, table)| format!(" LEFT JOIN {s}.{table} {short} ON {short}.id = j.id"))
        .collect();
    let text = format!(
        "SELECT j.id, j.enqueued_at, j.run_after, j.expires_at, j.priority, j.task, j.queue, j.args, j.metadata, \
         j.rare, coalesce(w.run, r.run, d.run), coalesce(w.version, r.version, d.version), \
         coalesce(w.state, r.state, d.state), coalesce(w.phase, r.phase, d.phase), \
         coalesce(r.stage, d.stage, 0::smallint), coalesce(r.worker, d.worker), coalesce(r.claimed_at, d.claimed_at), \
         d.started_at, d.finished_at, d.value \
         FROM {first}{others} WHERE {conditions} ORDER BY {home}.id DESC LIMIT {most}",
        conditions = question.conditions.join(" AND "),
    );
    let rows = core.pooled(PATIENCE, async |client| {
        core.within(client, async || {
            // Without statistics a planner may prefer to read, and to sort, all that has ever ended.
            let settings = "SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; \
                            SET LOCAL enable_mergejoin = off; SET LOCAL enable_sort = off; \
                            SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off";
            super::core::in_time(client.batch_execute(settings)).await?;
            let typed: Vec<_> = question.parameters.iter().copied().zip(question.types.iter().cloned()).collect();
            super::core::in_time(client.query_typed(&text, &typed)).await
        })
        .await
    });
    let listing = rows.await.and_then(|rows| {
        let mut jobs: Vec<Job> = rows.iter().map(row::job).collect::<Result<_, _>>()?;
        let more = jobs.len() > limit;
        jobs.truncate(limit);
        let next = jobs.last().filter(|_| more).map(Job::id);
        Ok(Listing { jobs, next })
    });
    listing.map_err(|fault| fault.into_error(None))
}

pub(super) async fn stats(core: &Core) -> Result<Stats, StoreError> {
    core.pooled(PATIENCE, async |client| read_stats(core, client).await).await.map_err(|fault| fault.into_error(None))
}

async fn read_stats(core: &Core, client: &ClientWrapper) -> Result<Stats, Fault> {
    let mut stats = Stats::default();
    let ask = async |sql: &Sql| core.alone(client, sql, &[]).await;
    for row in ask(&core.sql.counts).await? {
        let queue: &mut QueueStats = stats.queues.entry(row.try_get(0)?).or_default();
        let phase = record::phase(i64::from(row.try_get::<_, i16>(1)?))?;
        let jobs = unsigned(row.try_get(2)?);
        if jobs > 0 {
            *queue.phases.entry(phase).or_default() += jobs;
        }
        queue.oldest_ready = queue.oldest_ready.or(row::at(&row, 3)?);
    }
    for row in ask(&core.sql.paused).await? {
        stats.queues.entry(row.try_get(0)?).or_default().paused = true;
    }
    for row in ask(&core.sql.limits).await? {
        let queue: String = row.try_get(0)?;
        let limits = limits::parse(&queue, row.try_get(1)?)?;
        stats.queues.entry(queue).or_default().limits = limits;
    }
    for row in ask(&core.sql.published).await? {
        let (task, definition): (String, &str) = (row.try_get(0)?, row.try_get(1)?);
        let definition: Published = serde_json::from_str(definition)
            .map_err(|error| Fault::Failed(format!("the published task {task} is damaged: {error}").into()))?;
        stats.published.insert(task, definition);
    }
    for row in ask(&core.sql.workers).await? {
        let id: Uuid = row.try_get(0)?;
        let ends = row::at(&row, 1)?.ok_or_else(|| damaged(JobId::from_uuid(id), &"a worker has no lease"))?;
        stats.workers.push((WorkerId::from_uuid(id), ends));
    }
    Ok(stats)
}

pub(super) async fn prunable(core: &Core) -> Result<Prunable, StoreError> {
    let counted = core.pooled(PATIENCE, async |client| {
        let rows = core.alone(client, &core.sql.prunable, &[&core.keep.0, &core.keep.1]).await?;
        let row = rows.first().ok_or_else(|| Fault::Failed("a count was not answered".into()))?;
        Ok(Prunable { successful: unsigned(row.try_get(0)?), failed: unsigned(row.try_get(1)?) })
    });
    counted.await.map_err(|fault| fault.into_error(None))
}

#[cfg(test)]
mod tests {
    use callboard_tasks::Status;

    use super::*;

    #[test]
    fn a_status_is_in_one_table() {
        for status in Status::ALL {
            let places: HashSet<i16> =
                Phase::ALL.into_iter().filter(|phase| phase.status() == status).map(row::place).collect();
            assert_eq!(places.len(), 1, "{status}");
        }
    }
}
