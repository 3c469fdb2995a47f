//! Measures the memory backend from end to end: 64 producers, each awaiting its enqueue before the next, a task that
//! does nothing, JSON arguments, results kept.
//!
//! Run: cargo bench --bench memory [-- JOBS [ROUNDS]]
//!
//! Prints one line of JSON a round: jobs per second until all were enqueued, and until all were successful; then
//! the time from an enqueue to the start of its attempt and to its result, one at a time, in microseconds; then what
//! a waiting job costs in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use callboard::{Backend, Callboard, Data, Phase, task};

const PRODUCERS: usize = 64;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[task]
async fn nothing(n: u64) -> u64 {
    n
}

/// Notes when it starts, in nanoseconds since the start of the program.
#[task]
async fn note_start(clock: Data<StartClock>) {
    clock.noted.store(clock.origin.elapsed().as_nanos() as u64, Ordering::Release);
}

struct StartClock {
    origin: Instant,
    noted: AtomicU64,
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (jobs, rounds) = (arguments.next().unwrap_or(1_000_000), arguments.next().unwrap_or(5));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        for _ in 0..rounds {
            throughput(jobs).await;
        }
        latency(2_000).await;
        footprint(200_000).await;
    });
}

async fn throughput(jobs: usize) {
    let board = board(Backend::memory().keep_max(100_000)).await;
    let start = Instant::now();
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let board = board.clone();
            tokio::spawn(async move {
                for n in (producer..jobs).step_by(PRODUCERS) {
                    board.enqueue(nothing::with(n as u64)).await.expect("it is enqueued");
                }
            })
        })
        .collect();
    for producer in producers {
        producer.await.expect("no producer panics");
    }
    let enqueued = start.elapsed();
    while open_jobs(&board).await > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let ended = start.elapsed();
    let per_second = |time: Duration| (jobs as f64 / time.as_secs_f64()).round();
    println!(
        r#"{{"store":"memory","producers":{PRODUCERS},"jobs":{jobs},"enqueue_per_s":{},"end_to_end_per_s":{}}}"#,
        per_second(enqueued),
        per_second(ended)
    );
    board.shutdown().await;
}

async fn latency(jobs: usize) {
    let clock = Arc::new(StartClock { origin: Instant::now(), noted: AtomicU64::new(0) });
    let board = Callboard::builder()
        .memory()
        .tasks(callboard::tasks![note_start])
        .data_arc(Arc::clone(&clock))
        .start()
        .await
        .expect("the board starts");
    let (mut to_start, mut to_result) = (Vec::new(), Vec::new());
    for _ in 0..jobs {
        // A pause lets every thread of the board go to sleep, as on an idle machine.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let before = clock.origin.elapsed();
        let result = board.enqueue(note_start::with()).await.expect("it is enqueued");
        result.wait(Duration::from_secs(5)).await.expect("it ends");
        to_result.push((clock.origin.elapsed() - before).as_micros());
        let started = Duration::from_nanos(clock.noted.load(Ordering::Acquire));
        to_start.push(started.saturating_sub(before).as_micros());
    }
    for (what, mut times) in [("enqueue_to_start_us", to_start), ("enqueue_to_result_us", to_result)] {
        times.sort_unstable();
        let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        println!(r#"{{"store":"memory","measure":"{what}","p50":{p50},"p99":{p99}}}"#);
    }
    board.shutdown().await;
}

/// What a waiting job costs: the growth of the resident memory while many wait.
async fn footprint(jobs: usize) {
    let board = board(Backend::memory()).await;
    board.pause("default", "default").await.expect("the queue can be paused");
    let before = resident();
    for n in 0..jobs {
        board.enqueue(nothing::with(n as u64)).await.expect("it is enqueued");
    }
    let bytes = (resident() - before) / jobs as u64;
    println!(r#"{{"store":"memory","measure":"bytes_per_waiting_job","value":{bytes}}}"#);
}

async fn board(backend: Backend) -> Callboard {
    let builder = Callboard::builder().backend("default", backend).tasks(callboard::tasks![nothing]);
    builder.start().await.expect("the board starts")
}

async fn open_jobs(board: &Callboard) -> u64 {
    let stats = board.stats("default").await.expect("the store answers");
    let phases = stats.queues.values().flat_map(|queue| &queue.phases);
    phases.filter(|(phase, _)| !Phase::is_finished(**phase)).map(|(_, count)| count).sum()
}

/// The resident memory of this process, in bytes; 0 where the system does not say.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
