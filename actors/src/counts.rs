//! What has happened in this process since its board started, in numbers: what metrics are made of.
//!
//! A count is a few atomic additions behind one look-up by the names of task and queue. Names come from outside, so
//! only so many are counted apart.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use callboard_tasks::{Ending, Job, JobSpec, TaskError, Timestamp};
use parking_lot::RwLock;

/// So many are counted apart; all others together, under [`OTHER`].
const SERIES: usize = 200;

/// The name under which is counted what has none of its own any more.
pub const OTHER: &str = "other";

/// How an attempt or a job ended, as metrics tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CountedEnd {
    /// With a return value.
    Ok,
    /// With an error.
    Error,
    /// By a panic.
    Panic,
    /// Past its timeout.
    Timeout,
    /// Because somebody cancelled the job.
    Cancelled,
}

impl CountedEnd {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Error, Self::Panic, Self::Timeout, Self::Cancelled];

    /// As it stands in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }

    fn of(error: &TaskError) -> Self {
        match error.exception_class.as_str() {
            "Panic" => Self::Panic,
            "Timeout" => Self::Timeout,
            _ => Self::Error,
        }
    }
}

/// How often things took how long.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spread {
    /// How many took at most as long as the bound of that place in [`Spread::BOUNDS`], and longer than the one before.
    pub within: [u64; 15],
    /// How many in all; those beyond the last bound stand only here.
    pub count: u64,
    /// How long all of them took together, in seconds.
    pub sum: f64,
}

impl Spread {
    /// The bounds, in seconds.
    pub const BOUNDS: [f64; 15] =
        [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

    /// Adds what another one has counted.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.within.iter_mut().zip(other.within) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum += other.sum;
    }
}

/// Counts how long things take, from any thread.
#[derive(Debug, Default)]
pub struct SpreadCounter {
    within: [AtomicU64; 15],
    count: AtomicU64,
    micros: AtomicU64,
}

impl SpreadCounter {
    /// Counts one.
    pub fn note(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        if let Some(place) = Spread::BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.within[place].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What was counted so far.
    #[must_use]
    pub fn so_far(&self) -> Spread {
        // The whole first: what comes meanwhile must not make a part larger than it.
        let within = std::array::from_fn(|place| self.within[place].load(Ordering::Acquire));
        let count = self.count.load(Ordering::Acquire).max(within.iter().sum());
        Spread { within, count, sum: Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64() }
    }
}

/// What was counted of the jobs of one task in one queue.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskCounts {
    /// The alias of the backend.
    pub backend: String,
    /// The queue, or [`OTHER`].
    pub queue: String,
    /// The full name of the task, or [`OTHER`].
    pub task: String,
    /// Calls that were enqueued here.
    pub enqueued: u64,
    /// Attempts that started here.
    pub started: u64,
    /// Jobs that ended here, by how.
    pub finished: Vec<(CountedEnd, u64)>,
    /// Attempts that failed and will be made again.
    pub retries: u64,
    /// How long jobs waited for their first attempt after they were due.
    pub waited: Spread,
    /// How long attempts took.
    pub took: Spread,
}

/// Counts of the jobs of one task in one queue.
#[derive(Debug, Default)]
struct Series {
    enqueued: AtomicU64,
    started: AtomicU64,
    finished: [AtomicU64; CountedEnd::ALL.len()],
    retries: AtomicU64,
    waited: SpreadCounter,
    took: SpreadCounter,
}

/// The series of one task: few enough to look at one after the other.
type OfTask = Vec<(Arc<str>, Box<str>, Arc<Series>)>;

/// All counts of a board.
#[derive(Debug, Default)]
pub(crate) struct Counts(RwLock<HashMap<Box<str>, OfTask>>);

/// An attempt that has ended, as far as it is counted.
pub(crate) struct Ended<'a> {
    pub(crate) spec: &'a JobSpec,
    /// Which attempt it was, from 1.
    pub(crate) attempt: u32,
    pub(crate) started_at: Timestamp,
    pub(crate) now: Timestamp,
}

impl Counts {
    /// A call was enqueued.
    pub(crate) fn enqueued(&self, backend: &Arc<str>, job: &Job) {
        self.with(backend, &job.spec, |series| series.enqueued.fetch_add(1, Ordering::Relaxed));
    }

    /// An attempt has ended like this.
    pub(crate) fn ended(&self, backend: &Arc<str>, ended: &Ended<'_>, ending: &Ending) {
        let end = match ending {
            Ending::Succeeded(_) => Some(CountedEnd::Ok),
            Ending::Failed(error) => Some(CountedEnd::of(error)),
            Ending::Cancelled(_) => Some(CountedEnd::Cancelled),
            Ending::Retry { .. } | Ending::Snoozed(_) => None,
            Ending::HandBack => return,
        };
        self.with(backend, ended.spec, |series| {
            series.started.fetch_add(1, Ordering::Relaxed);
            if ended.attempt == 1 {
                series.waited.note(between(ended.spec.effective_time(), ended.started_at));
            }
            series.took.note(between(ended.started_at, ended.now));
            match end {
                Some(end) => series.finished[end as usize].fetch_add(1, Ordering::Relaxed),
                None if matches!(ending, Ending::Retry { .. }) => series.retries.fetch_add(1, Ordering::Relaxed),
                None => 0,
            };
        });
    }

    fn with<T>(&self, backend: &Arc<str>, spec: &JobSpec, count: impl FnOnce(&Series) -> T) {
        let (task, queue) = (spec.task.as_ref(), spec.queue.as_ref());
        if let Some(series) = find(&self.0.read(), backend, task, queue) {
            count(series);
            return;
        }
        let mut all = self.0.write();
        let known = all.values().map(Vec::len).sum::<usize>();
        let (task, queue) = if known < SERIES { (task, queue) } else { (OTHER, OTHER) };
        if find(&all, backend, task, queue).is_none() {
            let series = (Arc::clone(backend), queue.into(), Arc::default());
            all.entry(task.into()).or_default().push(series);
        }
        if let Some(series) = find(&all, backend, task, queue) {
            count(series);
        }
    }

    /// What was counted so far, by backend, queue and task.
    pub(crate) fn so_far(&self) -> Vec<TaskCounts> {
        let all = self.0.read();
        let each = all.iter().flat_map(|(task, series)| series.iter().map(move |series| (task, series)));
        let mut counts: Vec<_> = each
            .map(|(task, (backend, queue, series))| TaskCounts {
                backend: backend.to_string(),
                queue: queue.to_string(),
                task: task.to_string(),
                enqueued: series.enqueued.load(Ordering::Relaxed),
                started: series.started.load(Ordering::Relaxed),
                finished: CountedEnd::ALL
                    .map(|end| (end, series.finished[end as usize].load(Ordering::Relaxed)))
                    .to_vec(),
                retries: series.retries.load(Ordering::Relaxed),
                waited: series.waited.so_far(),
                took: series.took.so_far(),
            })
            .collect();
        counts.sort_by(|a, b| (&a.backend, &a.queue, &a.task).cmp(&(&b.backend, &b.queue, &b.task)));
        counts
    }
}

fn find<'a>(all: &'a HashMap<Box<str>, OfTask>, backend: &str, task: &str, queue: &str) -> Option<&'a Arc<Series>> {
    let (_, _, series) =
        all.get(task)?.iter().find(|(alias, name, _)| alias.as_ref() == backend && name.as_ref() == queue)?;
    Some(series)
}

/// The time from one to the other; zero if a clock went back.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
