//! The lane of outcomes, on a connection of its own, so that the next claim need not wait for them.
//!
//! A success without a log is written by one statement for all of them. Every other end goes through [`Job::finish`]
//! under the locks of its row. What cannot be kept becomes a failure of its job.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{Ending, Fate, Job, JobId, Outcome, Phase, StoreError, TaskError};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_postgres::Row;
use uuid::Uuid;

use super::core::{IDLE, Trial};
use super::fault::Fault;
use super::link::Link;
use super::puts::Puts;
use super::row;
use crate::store::record::{signed, unsigned};

/// How long outcomes are tried before their sender is told that the database does not answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many outcomes go into one statement.
const MOST: usize = 4_096;
/// So many outcomes are remembered of which nobody knows whether they were written.
const DOUBTS: usize = 100_000;

/// Outcomes of one caller, and where the fates go.
pub(super) struct Finish {
    pub(super) outcomes: Vec<Outcome>,
    pub(super) reply: oneshot::Sender<Result<Vec<Fate>, StoreError>>,
}

pub(super) async fn lane(link: Link, mut calls: UnboundedReceiver<Finish>) {
    let mut lane = Lane { link, doubts: HashSet::new() };
    loop {
        let Ok(call) = timeout(IDLE, calls.recv()).await else {
            lane.link.close();
            continue;
        };
        let Some(call) = call else { return };
        let mut size = call.outcomes.len();
        let mut batch = vec![call];
        while size < MOST
            && let Ok(call) = calls.try_recv()
        {
            size += call.outcomes.len();
            batch.push(call);
        }
        lane.settle(batch).await;
    }
}

/// What is written of an outcome: itself, or that its data could not be kept.
struct Entry<'a> {
    outcome: &'a Outcome,
    unstorable: Option<String>,
    fate: Option<Fate>,
}

struct Lane {
    link: Link,
    /// Runs whose outcome may have been written by a call that was given up.
    doubts: HashSet<(JobId, u64)>,
}

impl Lane {
    async fn settle(&mut self, batch: Vec<Finish>) {
        let outcomes = batch.iter().flat_map(|call| &call.outcomes);
        let mut entries: Vec<_> = outcomes.map(|outcome| Entry { outcome, unstorable: None, fate: None }).collect();
        let written = self.write(&mut entries).await;
        let mut fates = entries.iter().map(|entry| entry.fate.unwrap_or(Fate::Stale)).collect::<Vec<_>>().into_iter();
        let failed = written.err();
        for call in batch {
            let fates = fates.by_ref().take(call.outcomes.len()).collect();
            let answer = match &failed {
                None => Ok(fates),
                Some(fault) => Err(fault.copy().into_error(None)),
            };
            // Whoever does not wait for the fates does not want them.
            let _gone = call.reply.send(answer);
        }
    }

    async fn write(&mut self, entries: &mut [Entry<'_>]) -> Result<(), Fault> {
        // Of two outcomes of one run the first counts.
        let mut seen = HashSet::with_capacity(entries.len());
        let fresh: Vec<usize> =
            (0..entries.len()).filter(|n| seen.insert((entries[*n].outcome.id, entries[*n].outcome.run))).collect();
        let (mut values, others): (Vec<_>, Vec<_>) =
            fresh.iter().copied().partition(|n: &usize| entries[*n].is_plain());
        // Rows are always locked in the order of their ids.
        values.sort_unstable_by_key(|n| entries[*n].outcome.id);
        let mut slow = others;
        let written = match self.in_parts(entries, values, true, &mut slow).await {
            Ok(()) => self.in_parts(entries, slow, false, &mut Vec::new()).await,
            Err(fault) => Err(fault),
        };
        match &written {
            Ok(()) => {
                if !self.doubts.is_empty() {
                    for n in &fresh {
                        self.doubts.remove(&(entries[*n].outcome.id, entries[*n].outcome.run));
                    }
                }
            }
            Err(_) => {
                let unknown = fresh.iter().map(|n| (entries[*n].outcome.id, entries[*n].outcome.run));
                self.doubts.extend(unknown.take(DOUBTS.saturating_sub(self.doubts.len())));
            }
        }
        written
    }

    /// Writes entries in one go; if one of them is bad, in smaller and smaller parts, until it stands alone: then it
    /// becomes a failure, which is `put_off` if this is not the way to write one.
    async fn in_parts(
        &mut self,
        entries: &mut [Entry<'_>],
        numbers: Vec<usize>,
        values: bool,
        put_off: &mut Vec<usize>,
    ) -> Result<(), Fault> {
        let mut parts = vec![numbers];
        let mut trial = Trial::new(PATIENCE);
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let tried =
                if values { self.succeed(entries, &part).await } else { self.step_by_step(entries, &part).await };
            match tried {
                Ok(()) => self.read_back(entries, &part, trial.unsure).await?,
                Err(Fault::Data(_)) if part.len() > 1 => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.push(second.to_vec());
                    parts.push(first.to_vec());
                }
                Err(Fault::Data(cause)) if entries[part[0]].unstorable.is_none() => {
                    entries[part[0]].unstorable = Some(cause.to_string());
                    if values { put_off.extend(part) } else { parts.push(part) }
                }
                Err(fault) => {
                    trial.next(fault).await?;
                    parts.push(part);
                }
            }
        }
        Ok(())
    }

    /// Writes successes.
    async fn succeed(&mut self, entries: &mut [Entry<'_>], part: &[usize]) -> Result<(), Fault> {
        let outcomes = || part.iter().map(|n| entries[*n].outcome);
        let ids: Vec<Uuid> = outcomes().map(|outcome| outcome.id.as_uuid()).collect();
        let runs: Vec<i64> = outcomes().map(|outcome| signed(outcome.run)).collect();
        let starts: Vec<_> = outcomes().map(|outcome| outcome.started_at).collect();
        let values: Vec<_> = outcomes().map(value).collect();
        let core = Arc::clone(&self.link.core);
        let rows = self.link.call(&core.sql.succeed, &[&ids, &runs, &starts, &values]).await?;
        let row = rows.first().ok_or_else(|| Fault::Failed("outcomes were not answered".into()))?;
        let numbers: Vec<i32> = row.try_get::<_, Option<_>>(0)?.unwrap_or_default();
        let versions: Vec<i64> = row.try_get::<_, Option<_>>(1)?.unwrap_or_default();
        for n in part {
            entries[*n].fate = Some(Fate::Stale);
        }
        for (number, version) in numbers.into_iter().zip(versions) {
            if let Some(n) = usize::try_from(number - 1).ok().and_then(|number| part.get(number)) {
                entries[*n].fate = Some(Fate::Accepted { phase: Phase::Successful, version: unsigned(version) });
            }
        }
        core.tell_of_ends(row.try_get(2)?);
        if row.try_get::<_, Option<bool>>(3)?.unwrap_or(false) {
            core.tell_of_work();
        }
        Ok(())
    }

    /// Writes ends of all kinds, each by the steps of its job.
    async fn step_by_step(&mut self, entries: &mut [Entry<'_>], part: &[usize]) -> Result<(), Fault> {
        let ids: Vec<Uuid> = part.iter().map(|n| entries[*n].outcome.id.as_uuid()).collect();
        let runs: Vec<i64> = part.iter().map(|n| signed(entries[*n].outcome.run)).collect();
        let core = Arc::clone(&self.link.core);
        let client = self.link.client().await?;
        let client = client.as_ref();
        let written = core
            .within(client, async || {
                let none: Option<Uuid> = None;
                let now = core.now(client).await?;
                let held = core.query(client, &core.sql.hold_runs, &[&ids, &runs, &none]).await?;
                let mut jobs = read_jobs(&held);
                let (mut puts, mut fates) = (Puts::default(), Vec::with_capacity(part.len()));
                for n in part {
                    let entry = &entries[*n];
                    let found = jobs.iter().position(|job| job.id() == entry.outcome.id);
                    let Some(mut job) = found.map(|found| jobs.swap_remove(found)) else {
                        fates.push((*n, Fate::Stale));
                        continue;
                    };
                    let (before, outcome) = (job.state.phase, entry.outcome_for(&job, now));
                    let fate = match job.finish(outcome, now) {
                        Ok(()) => {
                            puts.moved(before, &job);
                            Fate::Accepted { phase: job.state.phase, version: job.state.version }
                        }
                        Err(_) => Fate::Stale,
                    };
                    fates.push((*n, fate));
                }
                let ended = puts.write(&core, client).await?;
                Ok((puts, fates, ended))
            })
            .await;
        let (puts, fates, ended) = self.link.drop_if_lost(written)?;
        for (n, fate) in fates {
            entries[n].fate = Some(fate);
        }
        puts.tell(&core, ended);
        Ok(())
    }

    /// What came back as stale after an earlier try whose answer was lost may have been written by that: it is looked
    /// up by its run.
    async fn read_back(&mut self, entries: &mut [Entry<'_>], part: &[usize], unsure: bool) -> Result<(), Fault> {
        if !unsure && self.doubts.is_empty() {
            return Ok(());
        }
        let doubtful = |n: &&usize| {
            let Entry { outcome, fate, .. } = &entries[**n];
            *fate == Some(Fate::Stale) && (unsure || self.doubts.contains(&(outcome.id, outcome.run)))
        };
        let doubtful: Vec<usize> = part.iter().filter(doubtful).copied().collect();
        if doubtful.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = doubtful.iter().map(|n| entries[*n].outcome.id.as_uuid()).collect();
        let core = Arc::clone(&self.link.core);
        let rows = self.link.repeat(PATIENCE, &core.sql.find, &[&ids]).await?;
        let mut puts = Puts::default();
        for job in read_jobs(&rows) {
            for n in &doubtful {
                if entries[*n].outcome.id == job.id() && entries[*n].is_written_in(&job) {
                    entries[*n].fate = Some(Fate::Accepted { phase: job.state.phase, version: job.state.version });
                    puts.was_put(&job);
                }
            }
        }
        puts.tell(&core, None);
        Ok(())
    }
}

impl Entry<'_> {
    /// Whether it is a success of which nothing is kept but its value.
    fn is_plain(&self) -> bool {
        matches!(self.outcome.ending, Ending::Succeeded(_)) && self.outcome.logs.is_empty()
    }

    /// The outcome, or the failure that it comes to.
    fn outcome_for(&self, job: &Job, now: callboard_tasks::Timestamp) -> Outcome {
        let Some(cause) = &self.unstorable else { return self.outcome.clone() };
        let message = format!("what it came to cannot be kept by the database: {cause}");
        let error = TaskError::new("Unstorable", &message, "", job.state.attempts, now);
        Outcome { ending: Ending::Failed(error), ..self.outcome.clone() }
    }

    /// Whether this outcome is what the job came to in that run.
    fn is_written_in(&self, job: &Job) -> bool {
        let (state, outcome) = (&job.state, self.outcome);
        let same_run = state.run == outcome.run && !job.runs_as(outcome.run);
        match &outcome.ending {
            _ if self.unstorable.is_some() => same_run && state.phase == Phase::Failed,
            Ending::Succeeded(value) => same_run && state.return_value.as_ref() == Some(value),
            Ending::Failed(error) | Ending::Cancelled(error) | Ending::Retry { error, .. } => {
                state.run >= outcome.run && state.errors().contains(error)
            }
            Ending::Snoozed(at) => same_run && (state.next_run_at == Some(*at) || state.phase == Phase::Cancelled),
            Ending::HandBack => same_run,
        }
    }
}

fn value(outcome: &Outcome) -> &str {
    match &outcome.ending {
        Ending::Succeeded(value) => value.as_str(),
        _ => "null",
    }
}

/// The jobs in these rows; one that was damaged by hand is left where it is.
pub(super) fn read_jobs(rows: &[Row]) -> Vec<Job> {
    let read = |row: &Row| match row::job(row) {
        Ok(job) => Some(job),
        Err(fault) => {
            tracing::error!("job {:?} cannot be read: {fault:?}", row::id(row, 0).ok());
            None
        }
    };
    rows.iter().filter_map(read).collect()
}
