//! Measures the SQLite store alone, without the runtime: `synchronous = FULL`, a file in the folder for temporary files.
//!
//! Run: cargo bench --bench sqlite_store [-- JOBS [ROUNDS [FOLDER [MEASURE]]]]
//!
//! Prints one line of JSON a measure: jobs per second of 64 producers whose jobs are handed off and finished, of bulk
//! enqueues (1,000 a unit), of a drain (claims and outcomes of 512 and 1,024), of bulk enqueues beside a drain, of a bulk
//! enqueue and a drain under limits that hold nothing back and with keys; then the time of one enqueue at a time, in
//! microseconds.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use callboard::store::sqlite::{SqliteOptions, SqliteStore};
use callboard::store::{Ask, Claim, Control, Ending, Fate, Job, JobSpec, Json, Outcome, QueueLimits, Store, Unit};
use callboard::{Clock, JobId, RetryPolicy};
use callboard_tasks::{Unique, WorkerId};
use futures::future::join;

const PRODUCERS: usize = 64;

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |n: usize, default: usize| arguments.get(n).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (jobs, rounds) = (number(0, 200_000), number(1, 3));
    let folder = arguments.get(2).map_or_else(std::env::temp_dir, PathBuf::from);
    let file = folder.join(format!("callboard-bench-{}.db", std::process::id()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(async {
        let wanted = |measure: &str| arguments.get(3).is_none_or(|only| only == measure);
        for _ in 0..rounds {
            if wanted("producers") {
                producers(&file, jobs).await;
            }
            if wanted("bulk") {
                bulk(&file, jobs).await;
            }
            if wanted("drain") {
                for limit in [512, 1_024] {
                    drain(&file, jobs, limit).await;
                }
            }
            if wanted("keys") {
                keys(&file, jobs).await;
            }
            if wanted("both") {
                bulk_and_drain(&file, jobs).await;
            }
        }
        if wanted("latency") {
            latency(&file, 2_000).await;
        }
    });
    remove(&file);
}

fn remove(file: &Path) {
    for end in ["", "-wal", "-shm", "-lock"] {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        let _ = std::fs::remove_file(name);
    }
}

async fn open(file: &Path) -> (Arc<SqliteStore>, WorkerId) {
    remove(file);
    let store = Arc::new(SqliteStore::open(SqliteOptions::new(file)).expect("the file opens"));
    let worker = WorkerId::new(Clock::system().now());
    let tasks = vec!["bench.nothing".to_owned()];
    let register = Control::Register { worker, lease: Duration::from_secs(600), tasks };
    store.control(register).await.expect("the worker is registered");
    (store, worker)
}

fn spec(clock: &Clock) -> JobSpec {
    let now = clock.now();
    JobSpec {
        id: JobId::new(now),
        task: "bench.nothing".into(),
        args: Json::from_stored(r#"{"n": 123}"#.into()),
        queue: "default".into(),
        priority: 0,
        enqueued_at: now,
        run_after: None,
        expires_at: None,
        timeout: None,
        retry: RetryPolicy::default(),
        tags: Vec::new(),
        metadata: None,
        traceparent: None,
        unique: None,
        limit_key: None,
    }
}

fn success(id: JobId, run: u64) -> Outcome {
    Outcome { id, run, started_at: None, ending: Ending::Succeeded(Json::null()), logs: Vec::new() }
}

fn successes(jobs: &[Job]) -> Vec<Outcome> {
    jobs.iter().map(|job| success(job.id(), job.state.run)).collect()
}

fn report(measure: &str, jobs: usize, time: Duration, store: &SqliteStore, before: u64) {
    let per_second = (jobs as f64 / time.as_secs_f64()).round();
    let commits = store.commits() - before;
    println!(r#"{{"measure":"{measure}","jobs":{jobs},"per_s":{per_second},"commits":{commits}}}"#);
}

/// Each producer awaits its enqueue before the next; what has been handed off is finished in batches beside them.
async fn producers(file: &Path, jobs: usize) {
    let (store, worker) = open(file).await;
    let (start, before) = (Instant::now(), store.commits());
    let (ran, mut outcomes) = tokio::sync::mpsc::unbounded_channel();
    for producer in 0..PRODUCERS {
        let (store, ran) = (Arc::clone(&store), ran.clone());
        tokio::spawn(async move {
            let clock = Clock::system();
            for _ in (producer..jobs).step_by(PRODUCERS) {
                let spec = Arc::new(spec(&clock));
                let id = spec.id;
                let placed = store
                    .enqueue(vec![Unit { jobs: vec![spec], claim: Some(Claim { worker }), idempotency: None }])
                    .await;
                assert!(placed[0].as_ref().is_ok_and(|placed| placed.claimed), "it is handed off: {placed:?}");
                ran.send(id).expect("somebody finishes");
            }
        });
    }
    drop(ran);
    let mut finished = 0;
    let mut batch = Vec::new();
    while outcomes.recv_many(&mut batch, 1_024).await > 0 {
        let fates = store.finish(batch.drain(..).map(|id| success(id, 1)).collect()).await.expect("it is written");
        finished += fates.iter().filter(|fate| fate.is_accepted()).count();
    }
    assert_eq!(finished, jobs);
    report("producers_64", jobs, start.elapsed(), &store, before);
    store.close().await;
}

async fn put(store: &SqliteStore, jobs: usize) {
    put_made(store, jobs, |_, spec| spec).await;
}

async fn put_made(store: &SqliteStore, jobs: usize, make: impl Fn(usize, JobSpec) -> JobSpec) {
    let clock = Clock::system();
    let mut under_way = VecDeque::new();
    for thousand in 0..jobs / 1_000 {
        let made = (0..1_000).map(|n| Arc::new(make(thousand * 1_000 + n, spec(&clock)))).collect();
        let unit = Unit { jobs: made, claim: None, idempotency: None };
        under_way.push_back(store.enqueue(vec![unit]));
        if under_way.len() > 2 {
            let placed = under_way.pop_front().expect("there are three").await;
            assert!(placed[0].is_ok(), "{placed:?}");
        }
    }
    for placed in under_way {
        assert!(placed.await[0].is_ok());
    }
}

async fn bulk(file: &Path, jobs: usize) {
    let (store, _) = open(file).await;
    let (start, before) = (Instant::now(), store.commits());
    put(&store, jobs).await;
    report("bulk_enqueue", jobs / 1_000 * 1_000, start.elapsed(), &store, before);
    store.close().await;
}

/// Claims one batch while the outcomes of the last are written, until `jobs` have ended.
async fn work(store: &SqliteStore, worker: WorkerId, limit: usize, jobs: usize) {
    let mut outcomes = Vec::new();
    let ended = AtomicUsize::new(0);
    while ended.load(Ordering::Relaxed) < jobs {
        let ask = Ask { worker, limit, queues: None, after_queue: None };
        let (fates, claimed) = join(store.finish(outcomes), store.claim(ask)).await;
        let fates: Vec<Fate> = fates.expect("it is written");
        ended.fetch_add(fates.iter().filter(|fate| fate.is_accepted()).count(), Ordering::Relaxed);
        outcomes = successes(&claimed.expect("it is registered").jobs);
    }
}

async fn drain(file: &Path, jobs: usize, limit: usize) {
    let (store, worker) = open(file).await;
    put(&store, jobs).await;
    let (start, before) = (Instant::now(), store.commits());
    work(&store, worker, limit, jobs / 1_000 * 1_000).await;
    report(&format!("drain_{limit}"), jobs, start.elapsed(), &store, before);
    store.close().await;
}

/// What limits cost that hold nothing back, and keys that nobody else holds; `drain_1024` is the same without.
async fn keys(file: &Path, jobs: usize) {
    let at_once = QueueLimits { concurrency: Some(1_000_000), depth: Some(10_000_000), ..QueueLimits::default() };
    let by_key = QueueLimits { key_concurrency: Some(1_000_000), ..QueueLimits::default() };
    type Make = fn(usize, JobSpec) -> JobSpec;
    let with_key: Make = |n, spec| JobSpec { limit_key: Some(format!("key-{}", n % 100).into()), ..spec };
    let unique: Make = |n, spec| {
        let key = Unique::by_key(n.to_string()).key_of(&spec.task, &spec.args, spec.enqueued_at);
        JobSpec { unique: Some(Box::new(key)), ..spec }
    };
    let cases: [(&str, QueueLimits, Make); 3] = [
        ("limited", at_once, |_, spec| spec),
        ("limit_keys", by_key, with_key),
        ("unique", QueueLimits::default(), unique),
    ];
    for (name, limits, make) in cases {
        let (store, worker) = open(file).await;
        let limit = Control::Limit { queue: "default".into(), limits };
        store.control(limit).await.expect("the limit is set");
        let (start, before) = (Instant::now(), store.commits());
        put_made(&store, jobs, make).await;
        report(&format!("bulk_{name}"), jobs / 1_000 * 1_000, start.elapsed(), &store, before);
        let (start, before) = (Instant::now(), store.commits());
        work(&store, worker, 1_024, jobs / 1_000 * 1_000).await;
        report(&format!("drain_1024_{name}"), jobs, start.elapsed(), &store, before);
        store.close().await;
    }
}

async fn bulk_and_drain(file: &Path, jobs: usize) {
    let (store, worker) = open(file).await;
    let (start, before) = (Instant::now(), store.commits());
    let filler = tokio::spawn({
        let store = Arc::clone(&store);
        async move { put(&store, jobs).await }
    });
    work(&store, worker, 1_024, jobs / 1_000 * 1_000).await;
    filler.await.expect("all are enqueued");
    report("bulk_end_to_end", jobs / 1_000 * 1_000, start.elapsed(), &store, before);
    store.close().await;
}

async fn latency(file: &Path, jobs: usize) {
    let (store, worker) = open(file).await;
    let clock = Clock::system();
    let mut times = Vec::new();
    for _ in 0..jobs {
        // A pause lets every thread go to sleep, as on an idle machine.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let spec = Arc::new(spec(&clock));
        let id = spec.id;
        let before = Instant::now();
        let placed =
            store.enqueue(vec![Unit { jobs: vec![spec], claim: Some(Claim { worker }), idempotency: None }]).await;
        times.push(before.elapsed().as_micros());
        assert!(placed[0].is_ok());
        store.finish(vec![success(id, 1)]).await.expect("it is written");
    }
    times.sort_unstable();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!(r#"{{"measure":"enqueue_us","p50":{p50},"p99":{p99}}}"#);
    store.close().await;
}
