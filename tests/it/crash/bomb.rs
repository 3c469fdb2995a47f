//! A task that takes its whole process down, each time: it is found out and quarantined, and its neighbours are not
//! harmed by it.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard::{Backend, Callboard, Job, Phase, task, tasks};

use super::judge::everything;
use super::log::{Log, Writer};
use super::place::Place;
use super::victim::{LEASE, effect};
use crate::support::Folder;

/// Where the process finds its store and its log.
const ORDER: &str = "CALLBOARD_IT_BOMB";

/// Aborts its process, which no `catch_unwind` stops.
#[task(name = "crash.bomb", register = false)]
async fn bomb() {
    std::process::abort();
}

async fn board(backend: Backend, log: &Arc<Writer>) -> Callboard {
    let builder = Callboard::builder().backend("default", backend.lease(LEASE)).tasks(tasks![effect, bomb]);
    builder.data_arc(Arc::clone(log)).start().await.unwrap()
}

fn start(place: &Place, folder: &Folder, round: usize) -> Child {
    let order = serde_json::to_string(&(place, Log::path(folder, round))).unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["crash::bomb::process", "--exact", "--ignored"])
        .env(ORDER, order)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A process that works until it is taken down, or killed.
#[test]
#[ignore = "a process of the test of tasks that abort, which starts it"]
fn process() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let (place, log): (Place, std::path::PathBuf) = serde_json::from_str(&order).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let _board = board(place.backend(), &Arc::new(Writer::open(&log))).await;
        std::future::pending::<()>().await;
    });
}

fn is_quarantined_and_harms_nobody(place: &Place) {
    const NEIGHBOURS: u64 = 60;
    let folder = Folder::new();
    let store = place.open();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Enqueued by a board that runs nothing: its queue is paused, and it leaves before the queue goes on.
    let bomb_id = runtime.block_on(async {
        let log = Arc::new(Writer::open(&Log::path(&folder, 0)));
        let board = board(place.backend(), &log).await;
        board.pause("default", "default").await.unwrap();
        for n in 0..NEIGHBOURS / 2 {
            board.enqueue(effect::with(n)).await.unwrap();
        }
        let bomb_id = board.enqueue(bomb::with()).await.unwrap().id();
        for n in NEIGHBOURS / 2..NEIGHBOURS {
            board.enqueue(effect::with(n)).await.unwrap();
        }
        board.shutdown().await;
        bomb_id
    });
    super::read(store.control(callboard::store::Control::Resume("default".into())));

    let (begin, mut deaths, mut process) = (Instant::now(), 0, start(place, &folder, 1));
    let jobs = loop {
        let jobs = everything(store.as_ref());
        if jobs.iter().all(|job| job.state.phase.is_finished()) {
            break jobs;
        }
        assert!(begin.elapsed() < Duration::from_secs(90), "not all have ended after {deaths} deaths");
        if process.try_wait().unwrap().is_some() {
            deaths += 1;
            process = start(place, &folder, 1 + deaths);
        }
        std::thread::yield_now();
    };
    let _ = process.kill();
    let _ = process.wait();

    println!("{deaths} processes died");
    assert_eq!(deaths, Job::MAX_LOSSES as usize, "it takes down as many as its quarantine needs");
    for job in jobs {
        let state = &job.state;
        if job.id() == bomb_id {
            assert_eq!((state.phase, state.losses), (Phase::Quarantined, Job::MAX_LOSSES));
            assert!(state.errors().iter().any(|error| error.exception_class == "Lost"), "it says why: {state:?}");
        } else {
            assert_eq!(state.phase, Phase::Successful, "{job:?}");
            assert!(state.losses <= 1, "a neighbour dies with it once at most: {state:?}");
        }
    }
    futures::executor::block_on(store.close());
    place.must_be_sound();
}

#[test]
fn a_task_that_aborts_is_quarantined_and_harms_nobody_on_sqlite() {
    let folder = Folder::new();
    is_quarantined_and_harms_nobody(&Place::Sqlite(folder.path().join("jobs.db")));
}

#[test]
fn a_task_that_aborts_is_quarantined_and_harms_nobody_on_postgres() {
    let options = crate::stores::postgres_options();
    is_quarantined_and_harms_nobody(&Place::Postgres { url: options.url, schema: options.schema });
}
