//! Measures a board from the outside: what [`cli`](crate::cli) offers as `bench`.
//!
//! Everything goes through [`Callboard::enqueue`] as a program would call it; in the end the store is asked which jobs
//! it has and with which values, so that no figure stands for work that was not done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use callboard_actors::{Builder, Callboard};
use callboard_tasks::{Call, Clock, Data, Error as TaskError, Filter, JobId, Page, Status, Timestamp, task, tasks};
use futures::future::try_join_all;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// Where the jobs go.
const BACKEND: &str = "default";
/// How many calls one bulk enqueue has, and how many such enqueues are under way at once.
const BULK: usize = 1_000;
const BULK_PRODUCERS: usize = 4;
/// How many single jobs the latency is measured with.
const SINGLE: usize = 1_000;
/// Longer than any measure takes; a store that never finishes must not be waited for forever.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bench {
    /// Jobs of each measure.
    pub(crate) jobs: usize,
    /// Callers that enqueue at once.
    pub(crate) producers: usize,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// What kind of store it was.
    pub(crate) store: &'static str,
    pub(crate) jobs: usize,
    pub(crate) producers: usize,
    /// Enqueued one by one by all producers while nothing runs.
    pub(crate) enqueue_per_s: f64,
    /// From the first enqueue to the end of the last job, one by one by all producers.
    pub(crate) end_to_end_per_s: f64,
    /// The same with 1,000 calls in each enqueue.
    pub(crate) bulk_end_to_end_per_s: f64,
    /// Everything was enqueued before.
    pub(crate) drain_per_s: f64,
    /// From the call of `enqueue` to the start of the attempt, one job after the other.
    pub(crate) latency_us: Latency,
    /// What the store has afterwards.
    pub(crate) kept: Kept,
}

#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Kept {
    pub(crate) expected: usize,
    pub(crate) successful: usize,
    pub(crate) values_are_right: bool,
}

impl Figures {
    /// Whether the store has every job with its value; memory keeps the last ones alone.
    pub(crate) fn all_are_there(&self) -> bool {
        let Kept { expected, successful, values_are_right } = self.kept;
        values_are_right && (successful == expected || (self.store == "memory" && successful > 0))
    }
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    Start(#[from] callboard_actors::StartError),
    #[error("the board refused a call")]
    Task(#[from] TaskError),
    #[error(
        "another process works at this store ({0} with a lease that holds); stop it, or name a store of its own: \
         the figures would be those of both"
    )]
    NotAlone(usize),
    #[error("the jobs did not end within {PATIENCE:?}: {0} of {1} have")]
    Stuck(u64, u64),
}

/// What the tasks report to.
#[derive(Debug, Default)]
struct Stage {
    ended: AtomicU64,
    /// Who wants to know when the next attempt starts.
    start: Mutex<Option<oneshot::Sender<Instant>>>,
}

/// What is run: gives back what it is given.
#[task(name = "callboard.bench", register = false)]
async fn measure(stage: Data<Stage>, n: u64) -> u64 {
    if let Some(start) = stage.start.lock().take() {
        let _ = start.send(Instant::now());
    }
    stage.ended.fetch_add(1, Ordering::Relaxed);
    n
}

impl Bench {
    /// Starts a board as `builder` says, measures, and stops it.
    ///
    /// # Errors
    ///
    /// [`BenchError`].
    pub(crate) async fn run(self, builder: Builder) -> Result<Figures, BenchError> {
        // A queue of its own for each run, so that the jobs of earlier ones are not counted.
        let id = JobId::new(Clock::system().now()).to_string();
        let queue = format!("bench-{}", &id[id.len() - 8..]);
        let stage = Arc::new(Stage::default());
        let builder = builder.queue(BACKEND, queue.clone()).tasks(tasks![measure]).data_arc(Arc::clone(&stage));
        let board = builder.start().await?;
        let run = Run { bench: self, board: board.clone(), queue, stage };
        let figures = match run.refuse_company().await {
            Ok(()) => run.measure().await,
            Err(refused) => Err(refused),
        };
        board.shutdown().await;
        figures
    }
}

struct Run {
    bench: Bench,
    board: Callboard,
    queue: String,
    stage: Arc<Stage>,
}

impl Run {
    async fn refuse_company(&self) -> Result<(), BenchError> {
        let workers = self.board.stats(BACKEND).await?.workers;
        let now = Timestamp::now();
        match workers.iter().filter(|(_, lease_ends)| *lease_ends > now).count() {
            0 | 1 => Ok(()),
            several => Err(BenchError::NotAlone(several - 1)),
        }
    }

    async fn measure(&self) -> Result<Figures, BenchError> {
        let jobs = self.bench.jobs;
        let rate = |time: Duration| (jobs as f64 / time.as_secs_f64()).round();

        self.board.pause(BACKEND, &self.queue).await?;
        let start = Instant::now();
        self.enqueue_singly().await?;
        let enqueued = start.elapsed();
        let resume = async { Ok(self.board.resume(BACKEND, &self.queue).await?) };
        let drained = self.time(resume).await?;
        let end_to_end = self.time(self.enqueue_singly()).await?;
        let bulk = self.time(self.enqueue_in_bulk()).await?;
        let latency_us = self.latency().await?;
        let kept = self.count_kept().await?;
        let health = self.board.health().await;
        let backend = health.backends.iter().find(|backend| backend.alias == BACKEND);
        Ok(Figures {
            store: backend.map_or("", |backend| backend.kind),
            jobs,
            producers: self.bench.producers,
            enqueue_per_s: rate(enqueued),
            end_to_end_per_s: rate(end_to_end),
            bulk_end_to_end_per_s: rate(bulk),
            drain_per_s: rate(drained),
            latency_us,
            kept,
        })
    }

    fn call(&self, n: usize) -> Call<measure> {
        measure::with(n as u64).queue(self.queue.clone())
    }

    /// How long `work` takes, until all its jobs have ended.
    async fn time(&self, work: impl Future<Output = Result<(), BenchError>>) -> Result<Duration, BenchError> {
        let before = self.stage.ended.load(Ordering::Relaxed);
        let start = Instant::now();
        work.await?;
        self.until_ended(before + self.bench.jobs as u64).await?;
        Ok(start.elapsed())
    }

    async fn enqueue_singly(&self) -> Result<(), BenchError> {
        let Bench { jobs, producers } = self.bench;
        let producers = (0..producers).map(async |first| {
            for n in (first..jobs).step_by(producers) {
                self.board.enqueue(self.call(n)).await?;
            }
            Ok::<_, BenchError>(())
        });
        try_join_all(producers).await.map(drop)
    }

    async fn enqueue_in_bulk(&self) -> Result<(), BenchError> {
        let jobs = self.bench.jobs;
        let producers = (0..BULK_PRODUCERS).map(async |first| {
            for start in (first * BULK..jobs).step_by(BULK_PRODUCERS * BULK) {
                let calls = (start..(start + BULK).min(jobs)).map(|n| self.call(n).erase());
                self.board.enqueue_all(calls.collect()).await?;
            }
            Ok::<_, BenchError>(())
        });
        try_join_all(producers).await.map(drop)
    }

    /// Waits until so many attempts have ended, and the store has their outcomes.
    async fn until_ended(&self, jobs: u64) -> Result<(), BenchError> {
        let start = Instant::now();
        let patient =
            |ended: u64| if start.elapsed() < PATIENCE { Ok(()) } else { Err(BenchError::Stuck(ended, jobs)) };
        loop {
            let ended = self.stage.ended.load(Ordering::Relaxed);
            if ended >= jobs {
                break;
            }
            patient(ended)?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        loop {
            let stats = self.board.stats(BACKEND).await?;
            let phases = stats.queues.get(&self.queue).map(|queue| &queue.phases);
            let open = phases.map_or(0, |phases| {
                phases.iter().filter(|(phase, _)| !phase.is_finished()).map(|(_, jobs)| *jobs).sum()
            });
            if open == 0 {
                return Ok(());
            }
            patient(jobs.saturating_sub(open))?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn latency(&self) -> Result<Latency, BenchError> {
        let mut times = Vec::with_capacity(SINGLE);
        for n in 0..SINGLE {
            // Everybody is asleep again by then.
            tokio::time::sleep(Duration::from_millis(2)).await;
            let (tell, told) = oneshot::channel();
            *self.stage.start.lock() = Some(tell);
            let asked = Instant::now();
            self.board.enqueue(self.call(n)).await?;
            if let Ok(Ok(started)) = tokio::time::timeout(PATIENCE, told).await {
                times.push(started.saturating_duration_since(asked));
            }
        }
        self.until_ended(self.expected() as u64).await?;
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).map_or(0, Duration::as_micros);
        Ok(Latency { p50: micros(at(50)), p99: micros(at(99)) })
    }

    /// How many jobs a whole run has.
    const fn expected(&self) -> usize {
        3 * self.bench.jobs + SINGLE
    }

    /// Reads every job of the run back, and looks whether each has returned what it was given.
    async fn count_kept(&self) -> Result<Kept, BenchError> {
        let mut kept = Kept { expected: self.expected(), successful: 0, values_are_right: true };
        let mut before = None;
        loop {
            let filter =
                Filter { status: Some(Status::Successful), queue: Some(self.queue.clone()), ..Filter::default() };
            let (results, next) = self.board.list(BACKEND, filter, Page { limit: BULK, before }).await?;
            kept.successful += results.len();
            kept.values_are_right &= results.iter().all(|result| {
                let Given { n } = result.job().spec.args.get().unwrap_or(Given { n: u64::MAX });
                result.return_value().is_ok_and(|value| value.as_u64() == Some(n))
            });
            match next {
                Some(_) => before = next,
                None => return Ok(kept),
            }
        }
    }
}

/// The arguments of [`measure`], as they are stored.
#[derive(Deserialize)]
struct Given {
    n: u64,
}

fn micros(micros: u128) -> u64 {
    u64::try_from(micros).unwrap_or(u64::MAX)
}
