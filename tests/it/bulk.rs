//! Bulk actions on every store: quick, each job once, and done in the end whatever dies meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard::{Backend, Bulk, BulkReport, Callboard, Filter, JobId, Page, Phase, Status, TaskContext, task, tasks};
use serde_json::{Value, json};

use crate::stores::postgres_options;
use crate::support::{Folder, Server, wait_until};

const JOBS: usize = 10_000;
/// What nobody waits for a machine to do, however busy it is with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// Fails the first time.
#[task(max_attempts = 1)]
async fn second_time_lucky(context: TaskContext) -> Result<u32, String> {
    if context.attempt() > 1 { Ok(context.attempt()) } else { Err("no luck".into()) }
}

/// A board on each store.
fn boards(folder: &Folder) -> [(&'static str, Backend); 3] {
    let sqlite = callboard::store::sqlite::SqliteOptions::new(folder.path().join("jobs.db"));
    [
        ("memory", Backend::memory()),
        ("SQLite", Backend::open(sqlite)),
        ("PostgreSQL", Backend::open(postgres_options())),
    ]
}

async fn start(backend: Backend) -> Callboard {
    Callboard::builder().backend("default", backend).tasks(tasks![second_time_lucky]).start().await.unwrap()
}

/// Enqueues so many that fail, and waits until all have.
async fn fail(board: &Callboard, count: usize) {
    for _ in 0..count.div_ceil(1_000) {
        let calls = (0..count.min(1_000)).map(|_| second_time_lucky::with().erase()).collect();
        board.enqueue_all(calls).await.unwrap();
    }
    board.until_idle().await;
}

/// How many are in each phase, and how often any of them has run at most.
async fn phases(board: &Callboard) -> (BTreeMap<Phase, usize>, u32) {
    let (mut phases, mut most, mut before) = (BTreeMap::new(), 0, None);
    let filter = Filter { task: Some(second_time_lucky::NAME.into()), ..Filter::default() };
    loop {
        let (jobs, next): (_, Option<JobId>) =
            board.list("default", filter.clone(), Page { limit: 1_000, before }).await.unwrap();
        for job in &jobs {
            *phases.entry(job.phase()).or_default() += 1;
            most = most.max(job.attempts());
        }
        before = next;
        if before.is_none() {
            return (phases, most);
        }
    }
}

async fn all(board: &Callboard, bulk: Bulk) -> (BulkReport, Duration) {
    let begun = Instant::now();
    let task = board.bulk(bulk).await.unwrap().wait(PATIENCE).await.unwrap();
    (task.return_value().unwrap().clone(), begun.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_failed_jobs_run_again_and_are_deleted_quickly_on_every_store() {
    let folder = Folder::new();
    for (name, backend) in boards(&folder) {
        let board = start(backend).await;
        fail(&board, JOBS).await;
        assert_eq!(phases(&board).await, ([(Phase::Failed, JOBS)].into(), 1), "{name}");

        let failed = Filter { status: Some(Status::Failed), ..Filter::default() };
        let count = board.bulk_count(&Bulk::retry(failed.clone())).await.unwrap();
        assert_eq!((count.matched, count.complete), (JOBS as u64, true), "{name}");
        let (report, took) = all(&board, Bulk::retry(failed)).await;
        assert_eq!((report.matched, report.done), (JOBS as u64, JOBS as u64), "{name}: {report:?}");
        println!("{name}: {JOBS} jobs run again, asked for within {took:?}");
        board.until_idle().await;
        assert_eq!(phases(&board).await, ([(Phase::Successful, JOBS)].into(), 2), "{name}");

        let mine = Filter { task: Some(second_time_lucky::NAME.into()), ..Filter::default() };
        let (report, took) = all(&board, Bulk::delete(mine)).await;
        assert_eq!((report.matched, report.done), (JOBS as u64, JOBS as u64), "{name}: {report:?}");
        println!("{name}: {JOBS} jobs deleted within {took:?}");
        assert_eq!(phases(&board).await, (BTreeMap::new(), 0), "{name}");
        board.shutdown().await;
    }
}

/// How many tasks of the server are in each phase, and how many attempts each has had.
fn tasks_of(server: &Server) -> (BTreeMap<String, usize>, BTreeMap<u64, usize>) {
    let (mut phases, mut attempts) = (BTreeMap::new(), BTreeMap::new());
    let mut path = "/tasks?task=demo.fail&limit=200".to_owned();
    loop {
        let page = server.get(&path).json();
        for task in page["items"].as_array().unwrap() {
            *phases.entry(task["phase"].as_str().unwrap().to_owned()).or_default() += 1;
            *attempts.entry(task["attempts"].as_u64().unwrap()).or_default() += 1;
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/tasks?task=demo.fail&limit=200&cursor={next}"),
            None => return (phases, attempts),
        }
    }
}

/// The server is killed in the middle; the next one does the rest, and takes no task twice though each fails again.
#[test]
fn a_redrive_whose_server_is_killed_is_done_by_the_next_one() {
    const COUNT: usize = 4_000;
    let options = postgres_options();
    let postgres = format!("[tasks.default]\nurl = \"{}\"\nschema = \"{}\"\n", options.url, options.schema);
    for settings in ["[tasks.default]\nbackend = \"sqlite\"\n".to_owned(), postgres] {
        let folder = Folder::new();
        folder.write("callboard.toml", &settings);
        let folder = Arc::new(folder);
        let first = Server::start_in(Arc::clone(&folder), &["--demo"], &[]);
        for _ in 0..COUNT / 1_000 {
            let calls: Vec<Value> =
                (0..1_000).map(|_| json!({"task": "demo.fail", "args": ["no"], "max_attempts": 1})).collect();
            assert_eq!(first.post("/enqueue/batch", &json!({"tasks": calls})).status, 202);
        }
        wait_until("all have failed", || {
            let open = ["READY", "RUNNING"].map(|status| first.get(&format!("/tasks?limit=1&status={status}")).json());
            open.iter().all(|page| page["items"].as_array().unwrap().is_empty()).then_some(())
        });
        let redrive = first.post("/bulk", &json!({"action": "retry", "filter": {"phase": "failed"}}));
        assert_eq!(redrive.status, 202, "{}", redrive.text);
        let id = redrive.json()["id"].as_str().unwrap().to_owned();
        wait_until("it has begun", || {
            let task = first.get(&format!("/tasks/{id}")).json();
            assert_ne!(task["is_finished"], true, "it was too quick to be killed: {task}");
            let begun = first.get("/tasks?limit=1&status=READY&task=demo.fail").json();
            let again = !begun["items"].as_array().unwrap().is_empty();
            (task["phase"] == "running" && again).then_some(())
        });
        // Dropped, it is killed.
        drop(first);
        let second = Server::start_in(Arc::clone(&folder), &["--demo"], &[]);
        let task = second.until_finished(&id);
        assert_eq!(task["status"], "SUCCESSFUL", "{task}");
        println!("the second server took {}", task["return_value"]);
        let (phases, attempts) = wait_until("all have failed again", || {
            let (phases, attempts) = tasks_of(&second);
            (phases.keys().collect::<Vec<_>>() == ["failed"]).then_some((phases, attempts))
        });
        assert_eq!((phases, attempts), ([("failed".into(), COUNT)].into(), [(2, COUNT)].into()));
    }
}
