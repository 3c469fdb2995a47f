//! Why a job is not running: the true reasons, from what a store knows and from nothing else.

use jiff::Timestamp;
use serde::Serialize;

use crate::{Job, JobId, Phase, QueueLimits};

/// What a store knows of one job and of what stands before it, as of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Inquiry {
    /// The store's time.
    pub now: Timestamp,
    /// The job.
    pub job: Job,
    /// Whether its queue is paused.
    pub paused: bool,
    /// The limits of its queue.
    pub limits: QueueLimits,
    /// How many jobs of its queue run.
    pub running_in_queue: u64,
    /// How many jobs of its queue and limit key run; 0 without a key.
    pub running_with_key: u64,
    /// Some of those that run in its queue (with its key, where the queue limits keys and it has one): at most
    /// [`Inquiry::HOLDERS`].
    pub holders: Vec<JobId>,
    /// When the rate of its queue lets one more start; `None` without a rate.
    pub rate_free_at: Option<Timestamp>,
    /// When the rate of its key lets one more start; `None` without a rate or a key.
    pub key_rate_free_at: Option<Timestamp>,
    /// Processes whose lease holds.
    pub workers: u64,
    /// Those among them that have registered its task.
    pub able: u64,
    /// How many ready jobs of its queue stand before it; at most [`Inquiry::AHEAD`].
    pub ahead: u64,
}

impl Inquiry {
    /// The most holders that are named.
    pub const HOLDERS: usize = 5;
    /// What is ahead is counted up to this.
    pub const AHEAD: u64 = 10_000;
}

/// A reason why a job is not running, or that it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Which one, as a word for programs.
    pub code: ReasonCode,
    /// What it is here, as a sentence for people.
    pub detail: String,
}

/// The reasons there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReasonCode {
    /// It waits for its time.
    Scheduled,
    /// Its queue is paused.
    QueuePaused,
    /// No process works.
    NoWorker,
    /// No process that works has its task.
    UnregisteredTask,
    /// As many run as may, in its queue or with its key.
    ConcurrencyLimit,
    /// As many have started as may in the time, in its queue or with its key.
    RateLimited,
    /// It failed or snoozed, and waits for its next attempt.
    RetryWait,
    /// Others of its queue come first.
    BehindOthers,
    /// The process is shutting down.
    Draining,
    /// It is running.
    Running,
    /// It runs and was asked to stop.
    Cancelling,
    /// It has ended.
    Finished,
}

impl ReasonCode {
    /// As it is written in JSON: `queue_paused`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::QueuePaused => "queue_paused",
            Self::NoWorker => "no_worker",
            Self::UnregisteredTask => "unregistered_task",
            Self::ConcurrencyLimit => "concurrency_limit",
            Self::RateLimited => "rate_limited",
            Self::RetryWait => "retry_wait",
            Self::BehindOthers => "behind_others",
            Self::Draining => "draining",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Finished => "finished",
        }
    }
}

/// Why a job is not running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// Whether nothing holds it back: it starts as soon as a worker looks.
    pub runnable: bool,
    /// What holds it back, or what it does instead; empty only if it is runnable and next.
    pub reasons: Vec<Reason>,
}

/// Names everything that keeps a job from running. `draining` says that the process that is asked shuts down.
#[must_use]
pub fn why(known: &Inquiry, draining: bool) -> Why {
    let mut reasons = Vec::new();
    let mut add = |code: ReasonCode, detail: String| reasons.push(Reason { code, detail });
    let (job, state) = (&known.job, &known.job.state);
    match state.phase {
        Phase::Running => add(ReasonCode::Running, running(job)),
        Phase::Cancelling if state.overrun => {
            add(ReasonCode::Cancelling, "it is past its timeout and was told to stop".into());
        }
        Phase::Cancelling => add(ReasonCode::Cancelling, "somebody cancelled it; it was asked to stop".into()),
        Phase::Scheduled => add(ReasonCode::Scheduled, format!("it starts no sooner than {}", job.effective_time())),
        Phase::RetryWait => add(ReasonCode::RetryWait, retry(job)),
        phase if phase.is_finished() => add(ReasonCode::Finished, format!("it has ended: {phase}")),
        _ => {}
    }
    if state.phase.status() != crate::Status::Ready {
        return Why { runnable: false, reasons };
    }
    if known.paused {
        add(ReasonCode::QueuePaused, format!("the queue {:?} is paused", job.spec.queue));
    }
    if known.workers == 0 {
        add(ReasonCode::NoWorker, "no process works on this backend".into());
    } else if known.able == 0 {
        let task = &job.spec.task;
        add(
            ReasonCode::UnregisteredTask,
            format!("none of the {} processes that work here has registered {task:?}", known.workers),
        );
    }
    if let Some(detail) = concurrency(known) {
        add(ReasonCode::ConcurrencyLimit, detail);
    }
    if let Some(detail) = rate(known) {
        add(ReasonCode::RateLimited, detail);
    }
    if draining {
        add(ReasonCode::Draining, "this process is shutting down and starts nothing".into());
    }
    let held_back = !reasons.is_empty();
    if matches!(state.phase, Phase::Ready | Phase::Parked) && known.ahead > 0 {
        let more = if known.ahead >= Inquiry::AHEAD { " or more" } else { "" };
        reasons.push(Reason {
            code: ReasonCode::BehindOthers,
            detail: format!("{}{more} jobs of the queue {:?} come first", known.ahead, job.spec.queue),
        });
    }
    Why { runnable: !held_back, reasons }
}

fn running(job: &Job) -> String {
    let since = job.state.last_attempted_at.map(|at| format!(" since {at}")).unwrap_or_default();
    let by = job.holder().map(|worker| format!(" by {worker}")).unwrap_or_default();
    format!("attempt {} is under way{since}{by}", job.state.attempts)
}

fn retry(job: &Job) -> String {
    let last = job.state.errors().last();
    let last = last.map(|error| format!("; it failed last with {}", error.exception_class)).unwrap_or_default();
    format!("attempt {} starts no sooner than {}{last}", job.state.attempts + 1, job.effective_time())
}

fn concurrency(known: &Inquiry) -> Option<String> {
    let queue = &known.job.spec.queue;
    let of_queue = known.limits.concurrency.filter(|most| known.running_in_queue >= u64::from(*most));
    let key = known.job.spec.limit_key.as_deref();
    let of_key =
        known.limits.key_concurrency.filter(|most| key.is_some() && known.running_with_key >= u64::from(*most));
    let what = match (of_key, of_queue) {
        (Some(most), _) => format!("{most} at once of the key {:?} in the queue {queue:?}", key.unwrap_or_default()),
        (None, Some(most)) => format!("{most} at once in the queue {queue:?}"),
        (None, None) => return None,
    };
    let holders: Vec<_> = known.holders.iter().map(JobId::to_string).collect();
    let holders = if holders.is_empty() { String::new() } else { format!("; running: {}", holders.join(", ")) };
    Some(format!("the limit is {what}{holders}"))
}

fn rate(known: &Inquiry) -> Option<String> {
    let late = |at: Option<Timestamp>| at.filter(|at| *at > known.now);
    let of_queue = known.limits.rate.zip(late(known.rate_free_at));
    let of_key = known.limits.key_rate.zip(late(known.key_rate_free_at));
    let (whose, (rate, at)) = match (of_queue, of_key) {
        (Some(queue), Some(key)) if queue.1 >= key.1 => ("queue", queue),
        (_, Some(key)) => ("key", key),
        (Some(queue), None) => ("queue", queue),
        (None, None) => return None,
    };
    Some(format!("the rate of its {whose} is {rate}; the next one may start at {at}"))
}
