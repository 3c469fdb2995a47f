//! Bulk actions: a task of the board's own that does one thing to all jobs that fit a filter.
//!
//! It is a durable job like any other: it can be looked up, waited for and cancelled, and after a crash it runs again,
//! which does no harm, because each of its steps is a change that a job takes once. It goes through the jobs from the
//! newest to the oldest, a page at a time, beginning behind itself; so each is looked at once, and what comes later is not
//! its business.

use std::sync::Arc;

use callboard_tasks::{
    Bulk, BulkAction, BulkCount, BulkReport, BulkScope, Call, Change, Data, Error, Filter, InvalidTask, Job, JobId,
    Page, Phase, Progress, QueueNames, Status, Task as _, TaskContext, TaskDefinition, TaskResult, Timestamp, task,
};

use crate::Callboard;
use crate::door::Gate;

/// How many jobs are changed at once: few enough that nobody has to wait for it.
const STEP: usize = 500;

/// It is asked for by a person, who waits for it; the jobs that it is about may be thousands in front of it.
const PRIORITY: i64 = 100;

/// The task.
pub(crate) fn definition() -> &'static TaskDefinition {
    bulk::definition()
}

impl Callboard {
    /// Does one thing to all jobs of a backend that fit a filter: retries, cancels or deletes each as
    /// [`change`](Self::change) would. `Ok` means that the bulk action is committed, as a job of the task `callboard.bulk`
    /// of the same backend, which says how far it has come and, in the end, what came of it.
    ///
    /// What was enqueued before it belongs to it, and each job once: one that fails again meanwhile is not taken again.
    /// Bulk actions are left alone unless the filter names their task. If it is interrupted and runs again, it counts
    /// what was left to do.
    ///
    /// ```
    /// use callboard_actors::Callboard;
    /// use callboard_tasks::{Bulk, Filter, Phase};
    ///
    /// # futures::executor::block_on(async {
    /// # let board = Callboard::builder().memory().tasks([]).start().await?;
    /// let failed = Filter { phase: Some(Phase::Failed), ..Filter::default() };
    /// let redrive = board.bulk(Bulk::retry(failed)).await?.wait(std::time::Duration::from_secs(60)).await?;
    /// println!("{} of {} run again", redrive.return_value()?.done, redrive.return_value()?.matched);
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InvalidTask`] with what [`Bulk::check`] finds; [`Error::Unsupported`] if the backend has no store; else as
    /// [`enqueue`](Self::enqueue).
    pub async fn bulk(&self, bulk: Bulk) -> Result<TaskResult<BulkReport>, Error> {
        let gate = self.able(&bulk).await?;
        let queue = match &gate.info().queues {
            QueueNames::Only(names) if !names.contains("default") => names.first().map(String::as_str),
            _ => None,
        };
        let queue = queue.unwrap_or("default").to_owned();
        self.enqueue(call(&bulk).backend(bulk.backend).queue(queue).priority(PRIORITY)).await
    }

    /// How many jobs a bulk action would look at now, up to [`BulkCount::MOST`]; nothing is changed.
    ///
    /// # Errors
    ///
    /// As [`bulk`](Self::bulk).
    pub async fn bulk_count(&self, bulk: &Bulk) -> Result<BulkCount, Error> {
        let gate = self.able(bulk).await?;
        let named = bulk.filter.task.as_deref() == Some(bulk::NAME);
        let mut matched = 0;
        for filter in bulk.passes() {
            let mut pages = Pages::new(gate.as_ref(), filter, None);
            while let Some(jobs) = pages.next().await? {
                matched += jobs.iter().filter(|job| named || *job.spec.task != *bulk::NAME).count() as u64;
                if matched > BulkCount::MOST {
                    return Ok(BulkCount { matched: BulkCount::MOST, complete: false });
                }
            }
        }
        Ok(BulkCount { matched, complete: true })
    }

    /// The backend of a bulk action, if it makes sense and can be done there.
    async fn able(&self, bulk: &Bulk) -> Result<&Arc<dyn Gate>, Error> {
        bulk.check().map_err(|problems| InvalidTask { task: bulk::NAME.to_owned(), problems })?;
        let gate = self.0.gate(&bulk.backend)?;
        gate.change_all(Vec::new(), Change::Cancel).await?;
        Ok(gate)
    }
}

fn call(bulk: &Bulk) -> Call<bulk> {
    let Filter { status, phase, task, queue, tag, enqueued } = bulk.filter.clone();
    let (since, until) = enqueued.map_or((None, None), |time| (Some(time.start), Some(time.end)));
    // An open end is as if nobody had named it.
    let (since, until) = (since.filter(|at| *at > Timestamp::MIN), until.filter(|at| *at < Timestamp::MAX));
    bulk::with(bulk.action, status, phase, task, queue, tag, since, until)
}

/// Retries, cancels or deletes all tasks that fit a filter.
#[task(name = "callboard.bulk", register = false, http = false, backoff = "1s..1m")]
#[allow(clippy::too_many_arguments, reason = "they are the conditions of a filter")]
async fn bulk(
    board: Data<Callboard>,
    context: TaskContext,
    action: BulkAction,
    status: Option<Status>,
    phase: Option<Phase>,
    task: Option<String>,
    queue: Option<String>,
    tag: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<BulkReport, Error> {
    let filter = Filter { status, phase, task, queue, tag, enqueued: Filter::between(since, until) };
    let wanted = Bulk { action, filter, backend: String::new(), all: true };
    // The alias by which another process enqueued it may be another one here.
    let own = board.get(context.job_id()).await?;
    let gate = board.0.gate(own.backend())?;
    let scope = BulkScope { own: own.job(), task: bulk::NAME, first_run: context.run() == 1 };

    let mut total = 0;
    for filter in wanted.passes() {
        let mut pages = Pages::new(gate.as_ref(), filter.clone(), Some(scope.start()));
        while let Some(jobs) = pages.next().await? {
            total += jobs.iter().filter(|job| scope.takes(job, &filter)).count() as u64;
        }
    }
    context.progress(0, total);
    let mut report = BulkReport::default();
    for filter in wanted.passes() {
        let mut pages = Pages::new(gate.as_ref(), filter.clone(), Some(scope.start()));
        while let Some(jobs) = pages.next().await? {
            let ids: Vec<JobId> = jobs.iter().filter(|job| scope.takes(job, &filter)).map(Job::id).collect();
            for answer in gate.change_all(ids, action.change()).await? {
                report.count(answer)?;
            }
            // What was counted may have moved on meanwhile.
            context.progress(report.matched, total.max(report.matched));
        }
    }
    // The last of what was said on the way may not have been written yet, and after the end it would come too late.
    let progress = Progress { done: report.matched, total: report.matched };
    gate.change(context.job_id(), Change::Progress { run: context.run(), progress }).await?;
    Ok(report)
}

/// The jobs of a backend that fit a filter, newest first, a page at a time.
struct Pages<'a> {
    gate: &'a dyn Gate,
    filter: Filter,
    before: Option<JobId>,
    ended: bool,
}

impl<'a> Pages<'a> {
    fn new(gate: &'a dyn Gate, filter: Filter, before: Option<JobId>) -> Self {
        Self { gate, filter, before, ended: false }
    }

    async fn next(&mut self) -> Result<Option<Vec<Job>>, Error> {
        if self.ended {
            return Ok(None);
        }
        // A store that waits for nothing would hold up everything else on this thread.
        tokio::task::yield_now().await;
        let listing = self.gate.list(self.filter.clone(), Page { limit: STEP, before: self.before }).await?;
        self.ended = listing.next.is_none();
        self.before = listing.next;
        Ok(Some(listing.jobs))
    }
}
