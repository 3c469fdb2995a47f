//! The ends of jobs that run in other processes, as a stream.

use std::sync::Arc;
use std::time::Duration;

use callboard::store::postgres::PostgresOptions;
use callboard::store::sqlite::SqliteOptions;
use callboard::{Backend, Callboard, Ends, JobId, Lagged, Phase, Timestamp};
use callboard_tasks::{TaskResult, WaitFor};
use tokio::runtime::Runtime;

use crate::support::{DEADLINE, Folder, Server};

/// A store that processes share, as settings of a worker and as a backend of this one.
struct Shared {
    folder: Arc<Folder>,
    postgres: Option<PostgresOptions>,
}

impl Shared {
    fn sqlite() -> Self {
        let folder = Folder::new();
        folder.write(
            "callboard.toml",
            "[tasks.default]\nbackend = \"sqlite\"\nurl = \"jobs.db\"\noptions = { workers = 1 }\n",
        );
        Self { folder: Arc::new(folder), postgres: None }
    }

    fn postgres() -> Self {
        let (folder, options) = (Folder::new(), crate::stores::postgres_options());
        let settings = format!(
            "[tasks.default]\nbackend = \"postgres\"\nurl = \"{}\"\nschema = \"{}\"\noptions = {{ workers = 1 }}\n",
            options.url, options.schema
        );
        folder.write("callboard.toml", &settings);
        Self { folder: Arc::new(folder), postgres: Some(options) }
    }

    fn worker(&self) -> Server {
        Server::worker(&self.folder, &[])
    }

    /// A board that enqueues and runs nothing.
    async fn front(&self) -> Callboard {
        let backend = match &self.postgres {
            None => Backend::open(SqliteOptions::new(self.folder.path().join("jobs.db"))),
            Some(options) => Backend::open(options.clone()),
        };
        Callboard::builder().backend("default", backend.enqueue_only()).tasks([]).start().await.unwrap()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(options) = &self.postgres {
            crate::stores::run_sql(&options.url, &format!("DROP SCHEMA IF EXISTS {} CASCADE", options.schema));
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn next(ends: &mut Ends) -> Result<TaskResult, Lagged> {
    tokio::time::timeout(DEADLINE, ends.next()).await.expect("an end comes").expect("the board stands")
}

async fn enqueue(board: &Callboard, task: &str, args: &str) -> JobId {
    let call = board.call_named(task, args).await.unwrap();
    board.enqueue_any(call).await.unwrap().id()
}

/// All of them once, those of one process in its order, with what they came to, and soon.
fn the_ends_of_another_process_are_told(shared: &Shared) {
    const JOBS: usize = 200;
    let worker = shared.worker();
    runtime().block_on(async {
        let board = shared.front().await;
        let early = enqueue(&board, "demo.echo", "[\"early\"]").await;
        board.wait(early, WaitFor::Finished, DEADLINE).await.unwrap();

        let mut ends = board.ends("default").await.unwrap();
        let mut ids = Vec::new();
        for n in 0..JOBS {
            ids.push(enqueue(&board, "demo.echo", &format!("[{n}]")).await);
        }
        let mut told = Vec::new();
        for _ in 0..JOBS {
            told.push(next(&mut ends).await.expect("nothing is missed"));
        }
        let values: Vec<_> = told.iter().map(|end| end.job().spec.args.to_string()).collect();
        let times: Vec<_> = told.iter().map(|end| end.finished_at().unwrap()).collect();
        assert!(times.is_sorted(), "{values:?}");
        let mut heard: Vec<_> = told.iter().map(TaskResult::id).collect();
        heard.sort_unstable();
        ids.sort_unstable();
        assert_eq!(heard, ids, "each once, and none from before");

        // What another process cancels, and what fails there.
        let later = board.call_named("demo.echo", "[1]").await.map(|mut call| {
            call.options_mut().run_after = Duration::from_secs(3_600).into();
            call
        });
        let later = board.enqueue_any(later.unwrap()).await.unwrap().id();
        assert_eq!(board.cancel(later).await.unwrap().phase(), Phase::Cancelled);
        assert_eq!(next(&mut ends).await.map(|end| (end.id(), end.phase())), Ok((later, Phase::Cancelled)));
        let mut call = board.call_named("demo.fail", "[\"no\"]").await.unwrap();
        call.options_mut().max_attempts = Some(1);
        let fails = board.enqueue_any(call).await.unwrap().id();
        let end = next(&mut ends).await.unwrap();
        assert_eq!((end.id(), end.phase(), end.errors()[0].message.as_str()), (fails, Phase::Failed, "no"));

        // At rest the notices are what wakes, and not the look that comes once a second.
        let mut late = Vec::new();
        for n in 0..9 {
            tokio::time::sleep(Duration::from_millis(150 + 10 * n)).await;
            enqueue(&board, "demo.echo", "[0]").await;
            let end = next(&mut ends).await.unwrap();
            late.push(Timestamp::now().duration_since(end.finished_at().unwrap()));
        }
        late.sort_unstable();
        println!("told after {:?} in the median, {:?} at most", late[late.len() / 2], late[late.len() - 1]);
        assert!(late[late.len() / 2] < jiff::SignedDuration::from_millis(300), "{late:?}");
        board.shutdown().await;
        assert!(ends.next().await.is_none(), "the stream ends with its board");
    });
    drop(worker);
}

#[test]
fn ends_in_another_process_are_told_on_sqlite() {
    the_ends_of_another_process_are_told(&Shared::sqlite());
}

#[test]
fn ends_in_another_process_are_told_on_postgres() {
    the_ends_of_another_process_are_told(&Shared::postgres());
}

/// A job of a process that is killed ends elsewhere, and that is told once.
fn the_end_of_a_job_that_changed_its_process_is_told_once(shared: &Shared) {
    let runtime = runtime();
    let first = shared.worker();
    let board = runtime.block_on(shared.front());
    let mut ends = runtime.block_on(board.ends("default")).unwrap();
    let id = runtime.block_on(async {
        let id = enqueue(&board, "demo.sleep", "[1500]").await;
        let mut job = board.get(id).await.unwrap();
        while job.phase() != Phase::Running {
            job = board.wait(id, WaitFor::ChangeAfter(job.job().state.version), DEADLINE).await.unwrap();
        }
        id
    });
    // Dropped, it is killed.
    drop(first);
    let second = shared.worker();
    runtime.block_on(async {
        let end = next(&mut ends).await.unwrap();
        assert_eq!((end.id(), end.phase(), end.job().state.losses), (id, Phase::Successful, 1));
        let last = enqueue(&board, "demo.echo", "[1]").await;
        assert_eq!(next(&mut ends).await.unwrap().id(), last);
    });
    drop(second);
}

#[test]
fn the_end_of_a_job_whose_process_was_killed_is_told_once_on_sqlite() {
    the_end_of_a_job_that_changed_its_process_is_told_once(&Shared::sqlite());
}

#[test]
fn the_end_of_a_job_whose_process_was_killed_is_told_once_on_postgres() {
    the_end_of_a_job_that_changed_its_process_is_told_once(&Shared::postgres());
}
