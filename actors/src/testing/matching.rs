//! Whether a job came of a call: the same task and arguments, and whatever else the call says.

use callboard_tasks::{AnyCall, JobSpec, RunAfter, Timestamp};

/// Whether it did; `now` is when relative times of the call count from.
pub(super) fn came_of(spec: &JobSpec, call: &AnyCall, now: Timestamp) -> bool {
    let options = call.options();
    let runs_after = match &options.run_after {
        RunAfter::Now => true,
        asked => asked.resolve(now).is_ok_and(|at| spec.run_after == at),
    };
    spec.task == call.task()
        && call.args_json().is_ok_and(|args| args == spec.args.as_str())
        && options.queue.as_ref().is_none_or(|queue| *queue == spec.queue)
        && options.priority.is_none_or(|priority| priority == i64::from(spec.priority))
        && options.max_attempts.is_none_or(|attempts| attempts == spec.retry.max_attempts)
        && options.timeout.is_none_or(|timeout| spec.timeout == Some(timeout))
        && options.tags.iter().all(|tag| spec.tags.contains(tag))
        && runs_after
}
