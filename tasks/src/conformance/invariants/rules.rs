//! What time alone does to a job, what a store may do by itself, and what must be equal in store and model.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::{InvalidMove, Job, JobId, Phase, Status, Timestamp};

pub(super) type Place = (Reverse<i8>, Timestamp, JobId);

pub(super) fn place(job: &Job) -> Place {
    (Reverse(job.spec.priority), job.effective_time(), job.id())
}

pub(super) fn step(result: Result<(), InvalidMove>) -> Result<(), String> {
    result.map_err(|invalid| format!("the store did what the table does not allow: {invalid}"))
}

pub(super) fn is_late(job: &Job, now: Timestamp) -> bool {
    job.expires_at().is_some_and(|at| at <= now)
}

/// Does to a job what the time does: it expires, or its time has come.
pub(super) fn wake(job: &mut Job, now: Timestamp) -> Result<(), String> {
    match job.state.phase {
        _ if is_late(job, now) => step(job.expire(now)),
        Phase::Parked => step(job.unpark()),
        Phase::Scheduled | Phase::RetryWait if job.effective_time() <= now => step(job.promote()),
        _ => Ok(()),
    }
}

/// Lets the model do what the store may do by itself, at any time, if the store has.
pub(super) fn notice(job: &mut Job, is: &Job, known: &BTreeSet<&str>, now: Timestamp) -> Result<(), String> {
    let (was, now_in) = (job.state.phase, is.state.phase);
    let can_run = known.contains(&*job.spec.task);
    match (was, now_in) {
        _ if was == now_in => Ok(()),
        (_, Phase::Expired) if is_late(job, now) => step(job.expire(now)),
        (Phase::Scheduled | Phase::RetryWait, Phase::Ready) if job.effective_time() <= now => step(job.promote()),
        (Phase::Parked, Phase::Ready) if can_run => step(job.unpark()),
        (Phase::Scheduled | Phase::Ready | Phase::RetryWait, Phase::Parked) if !can_run => {
            wake(job, now)?;
            step(job.park())
        }
        _ => Ok(()),
    }
}

/// What everybody must be able to read of a job, but for its version and what only orders it.
pub(super) fn compare(must: &Job, is: &Job) -> Result<(), String> {
    let view = |job: &Job| {
        let state = &job.state;
        let errors: Vec<_> = state.errors().iter().map(|e| (e.exception_class.clone(), e.attempt)).collect();
        let counts = (state.run, state.attempts, state.max_attempts, state.losses);
        let times = (state.started_at, state.finished_at);
        let waits_until = state.next_run_at.filter(|_| state.phase == Phase::RetryWait);
        let ends = (state.return_value.clone(), state.progress, state.overrun, state.worker_ids().to_vec(), errors);
        (job.spec.clone(), state.phase, counts, times, waits_until, ends)
    };
    ensure!(view(must) == view(is), "is {is:?}\nbut must be {must:?}");
    let state = &is.state;
    let failures = state.errors().iter().filter(|error| error.attempt > 0).count();
    ensure!(failures <= state.attempts as usize, "has more errors than attempts: {is:?}");
    ensure!(state.phase.is_finished() == state.finished_at.is_some(), "has ended and has not: {is:?}");
    let failed = state.phase.status() == Status::Failed;
    ensure!(!failed || !state.errors().is_empty(), "does not say why it failed: {is:?}");
    ensure!((state.phase == Phase::Successful) == state.return_value.is_some(), "value and phase differ: {is:?}");
    Ok(())
}
