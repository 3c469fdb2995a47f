//! Measures the PostgreSQL store by itself, without actors: enqueue with hand-off, enqueue and claim, bulk, drain, and
//! the time from an enqueue to the moment at which a job could start.
//!
//! Run: cargo bench --bench postgres_store [-- JOBS [ROUNDS]]
//!
//! The server is the one in `CALLBOARD_TEST_POSTGRES`, else `postgres://postgres@127.0.0.1:5432/postgres`; a schema of
//! its own is made and dropped. Prints a line a measure: jobs a second, and bytes of write-ahead log a job.

use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard::store::postgres::{PostgresOptions, PostgresStore};
use callboard::store::{Ask, Claim, Control, Ending, JobSpec, Json, Outcome, Store, Unit};
use callboard_tasks::{JobId, RetryPolicy, Timestamp, WorkerId};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

const PRODUCERS: usize = 64;
const LEASE: Duration = Duration::from_secs(3600);

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Shared = Arc<PostgresStore>;

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let (jobs, rounds) = (*numbers.first().unwrap_or(&100_000), *numbers.get(1).unwrap_or(&3));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for round in 1..=rounds {
            println!("round {round} of {jobs} jobs");
            let bench = Bench::new().await;
            bench.measure("64 enqueuers, handed off, finished", jobs, bench.handed_off(jobs)).await;
            bench.measure("64 enqueuers, claimed, finished", jobs, bench.claimed(jobs, 1)).await;
            bench.measure("bulk of 1,000, claimed, finished", jobs, bench.claimed(jobs, 1_000)).await;
            bench.measure("bulk of 1,000, enqueued only", jobs, bench.bulk(jobs)).await;
            bench.measure("drain at 1,024", jobs, bench.drain(1_024)).await;
            bench.bulk(jobs).await;
            bench.measure("drain at 512", jobs, bench.drain(512)).await;
            bench.latency(2_000).await;
            bench.end().await;
        }
    });
}

struct Bench {
    store: Shared,
    worker: WorkerId,
    admin: tokio_postgres::Client,
    schema: String,
}

fn spec(n: usize) -> Arc<JobSpec> {
    let now = Timestamp::now();
    Arc::new(JobSpec {
        id: JobId::new(now),
        task: "bench.nothing".into(),
        args: Json::from_stored(format!("{{\"n\":{n}}}")),
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
    })
}

fn success(id: JobId, run: u64) -> Outcome {
    Outcome { id, run, started_at: Some(Timestamp::now()), ending: Ending::Succeeded(Json::null()), logs: Vec::new() }
}

impl Bench {
    async fn new() -> Self {
        let url = std::env::var("CALLBOARD_TEST_POSTGRES")
            .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
        let (admin, connection) = tokio_postgres::connect(&url, NoTls).await.expect("the server answers");
        tokio::spawn(connection);
        let mut options = PostgresOptions::new(&url);
        options.schema = format!("bench_{}", std::process::id());
        let schema = options.schema.clone();
        admin.batch_execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await.expect("it goes");
        let store = Arc::new(PostgresStore::open(options).await.expect("the store opens"));
        let worker = WorkerId::new(Timestamp::now());
        let tasks = vec!["bench.nothing".to_owned()];
        store.control(Control::Register { worker, lease: LEASE, tasks }).await.expect("registered");
        store.beat(callboard::store::Beat { worker, lease: LEASE }).await.expect("registered");
        Self { store, worker, admin, schema }
    }

    async fn end(self) {
        self.store.close().await;
        let drop = format!("DROP SCHEMA {} CASCADE", self.schema);
        self.admin.batch_execute(&drop).await.expect("it goes");
    }

    async fn wal(&self) -> i64 {
        let text = "SELECT (pg_current_wal_lsn() - '0/0')::bigint";
        self.admin.query_one(text, &[]).await.expect("it is known").get(0)
    }

    async fn measure(&self, what: &str, jobs: usize, work: impl Future<Output = ()>) {
        self.admin.batch_execute("CHECKPOINT").await.expect("it may");
        let (before, begin) = (self.wal().await, Instant::now());
        work.await;
        let took = begin.elapsed();
        let wal = (self.wal().await - before) as f64 / jobs as f64;
        println!("{what:40} {:>9.0} jobs/s  {wal:>6.0} B of WAL a job", jobs as f64 / took.as_secs_f64());
    }

    /// Finishes whatever has come while the last batch was under way.
    fn finisher(&self, mut ended: UnboundedReceiver<Outcome>, jobs: usize) -> tokio::task::JoinHandle<()> {
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            let (mut left, mut batch) = (jobs, Vec::new());
            while left > 0 && ended.recv_many(&mut batch, 2_048).await > 0 {
                left -= batch.len();
                let fates = store.finish(std::mem::take(&mut batch)).await.expect("written");
                assert!(fates.iter().all(|fate| fate.is_accepted()), "every outcome is the first");
            }
        })
    }

    async fn handed_off(&self, jobs: usize) {
        let (done, ended) = unbounded_channel();
        let finisher = self.finisher(ended, jobs);
        let mut producers = JoinSet::new();
        for producer in 0..PRODUCERS {
            let (store, done, worker) = (Arc::clone(&self.store), done.clone(), self.worker);
            producers.spawn(async move {
                for n in (producer..jobs).step_by(PRODUCERS) {
                    let spec = spec(n);
                    let id = spec.id;
                    let unit = Unit { jobs: vec![spec], claim: Some(Claim { worker }), idempotency: None };
                    let placed = store.enqueue(vec![unit]).await.remove(0).expect("kept");
                    assert!(placed.claimed, "the worker is registered");
                    done.send(success(id, 1)).expect("somebody finishes it");
                }
            });
        }
        producers.join_all().await;
        finisher.await.expect("it ends");
    }

    /// Producers of units of that size, beside a claimer.
    async fn claimed(&self, jobs: usize, size: usize) {
        let mut producers = JoinSet::new();
        let count = if size == 1 { PRODUCERS } else { 2 };
        for producer in 0..count {
            let store = Arc::clone(&self.store);
            producers.spawn(async move {
                for n in (producer..jobs / size).step_by(count) {
                    let unit =
                        Unit { jobs: (0..size).map(|m| spec(n * size + m)).collect(), claim: None, idempotency: None };
                    store.enqueue(vec![unit]).await.remove(0).expect("kept");
                }
            });
        }
        self.drain_so_many(jobs, 1_024).await;
        producers.join_all().await;
    }

    async fn bulk(&self, jobs: usize) {
        let mut producers = JoinSet::new();
        for producer in 0..2 {
            let store = Arc::clone(&self.store);
            producers.spawn(async move {
                for n in (producer..jobs / 1_000).step_by(2) {
                    let unit = Unit {
                        jobs: (0..1_000).map(|m| spec(n * 1_000 + m)).collect(),
                        claim: None,
                        idempotency: None,
                    };
                    store.enqueue(vec![unit]).await.remove(0).expect("kept");
                }
            });
        }
        producers.join_all().await;
    }

    async fn drain(&self, limit: usize) {
        let waiting = self.admin.query_one(&format!("SELECT count(*) FROM {}.waiting", self.schema), &[]).await;
        let waiting: i64 = waiting.expect("counted").get(0);
        self.drain_so_many(waiting as usize, limit).await;
    }

    async fn drain_so_many(&self, jobs: usize, limit: usize) {
        let (done, ended) = unbounded_channel();
        let finisher = self.finisher(ended, jobs);
        let mut left = jobs;
        while left > 0 {
            let ask = Ask { worker: self.worker, limit, queues: None, after_queue: None };
            let claimed = self.store.claim(ask).await.expect("registered");
            left -= claimed.jobs.len();
            for job in &claimed.jobs {
                done.send(success(job.id(), job.state.run)).expect("somebody finishes it");
            }
        }
        finisher.await.expect("it ends");
    }

    /// One job at a time: until it is kept and handed off, and until it is kept and claimed.
    async fn latency(&self, times: usize) {
        let (mut handed, mut claimed) = (Vec::new(), Vec::new());
        for n in 0..times {
            let hand_off = n % 2 == 0;
            let begin = Instant::now();
            let spec = spec(n);
            let id = spec.id;
            let claim = hand_off.then_some(Claim { worker: self.worker });
            let placed = self
                .store
                .enqueue(vec![Unit { jobs: vec![spec], claim, idempotency: None }])
                .await
                .remove(0)
                .expect("kept");
            if !placed.claimed {
                let ask = Ask { worker: self.worker, limit: 1, queues: None, after_queue: None };
                assert_eq!(self.store.claim(ask).await.expect("registered").jobs.len(), 1);
            }
            if hand_off { &mut handed } else { &mut claimed }.push(begin.elapsed());
            self.store.finish(vec![success(id, 1)]).await.expect("written");
        }
        for (what, mut times) in [("handed off", handed), ("claimed", claimed)] {
            times.sort_unstable();
            let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
            println!("until a job that is {what} can start         p50 {p50:?}  p99 {p99:?}");
        }
    }
}
