//! Commits: how they are set up, shared, refused, and what is left when they fail.

use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use callboard::JobId;
use callboard::store::sqlite::{SqliteOptions, SqliteStore};
use callboard::store::{Ending, Json, Lookup, Outcome, Store, StoreError, Unit};
use futures::executor::block_on;
use futures::future::join_all;

use super::support::{claim, put, register, spec, unit, with_store};
use crate::support::Folder;

#[test]
fn what_is_answered_is_on_the_disk() {
    let (_folder, store) = with_store();
    let (mode, synchronous): (String, i64) = block_on(store.inspect(|connection| {
        (
            connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap(),
            connection.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap(),
        )
    }))
    .unwrap();
    assert_eq!((mode.as_str(), synchronous), ("wal", 2), "2 is FULL");
}

/// While the writer is held, callers gather; then one commit serves them all.
#[test]
fn many_callers_share_a_commit() {
    let (_folder, store) = with_store();
    let (go, held) = std::sync::mpsc::channel::<()>();
    let holding = store.inspect(move |_| held.recv().unwrap());
    let before = store.commits();
    let placed: Vec<_> = (0..500).map(|_| store.enqueue(vec![unit(spec())])).collect();
    go.send(()).unwrap();
    block_on(holding).unwrap();
    for placed in block_on(join_all(placed)) {
        assert!(placed[0].is_ok(), "{placed:?}");
    }
    assert_eq!(store.commits() - before, 1);
}

#[test]
fn many_threads_need_fewer_commits_than_calls() {
    let (_folder, store) = with_store();
    let before = store.commits();
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                for _ in 0..50 {
                    put(&store, spec());
                }
            });
        }
    });
    let commits = store.commits() - before;
    assert!(commits < 1_600 / 2, "{commits} commits for 1,600 jobs of 32 callers");
}

/// Counted by the system: with FULL each commit flushes, and only commits do (and what saves the log).
#[test]
fn each_commit_flushes_once() {
    const VARIABLE: &str = "CALLBOARD_TEST_FLUSHES";
    const JOBS: u64 = 200;
    if let Some(path) = std::env::var_os(VARIABLE) {
        let store = SqliteStore::open(SqliteOptions::new(path)).unwrap();
        let before = store.commits();
        for _ in 0..JOBS {
            put(&store, spec());
        }
        println!("commits={}", store.commits() - before);
        // No tidying up: it would flush too.
        std::process::exit(0);
    }
    let folder = Folder::new();
    let log = folder.path().join("strace.log");
    let ran = Command::new("strace")
        .args(["-f", "-e", "trace=fsync,fdatasync", "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "stores::sqlite::durable::each_commit_flushes_once", "--nocapture"])
        .env(VARIABLE, folder.path().join("jobs.db"))
        .output()
        .expect("strace counts the flushes: install it (apt-get install strace)");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(said.contains(&format!("commits={JOBS}")), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    let flushes = std::fs::read_to_string(&log).unwrap().lines().filter(|line| line.contains("sync(")).count() as u64;
    // Making the file and its schema flushes a few times more.
    assert!((JOBS..JOBS + 30).contains(&flushes), "{flushes} flushes for {JOBS} commits");
}

/// A trigger of the application's refuses one job: its caller alone hears of it.
#[test]
fn one_bad_unit_fails_alone() {
    for way in ["ABORT", "ROLLBACK"] {
        let (_folder, store) = with_store();
        let trigger = format!(
            "CREATE TRIGGER refuse BEFORE INSERT ON callboard_jobs WHEN NEW.queue = 'bad'
             BEGIN SELECT RAISE({way}, 'not here'); END"
        );
        block_on(store.inspect(move |connection| connection.execute_batch(&trigger).unwrap())).unwrap();
        let (go, held) = std::sync::mpsc::channel::<()>();
        let holding = store.inspect(move |_| held.recv().unwrap());
        let mut specs: Vec<_> = (0..9).map(|_| spec()).collect();
        specs[4].queue = "bad".into();
        let ids: Vec<JobId> = specs.iter().map(|spec| spec.id).collect();
        let placed: Vec<_> = specs.into_iter().map(|spec| store.enqueue(vec![unit(spec)])).collect();
        go.send(()).unwrap();
        block_on(holding).unwrap();
        for (n, placed) in block_on(join_all(placed)).into_iter().enumerate() {
            match &placed[0] {
                Err(StoreError::Unavailable(why)) if n == 4 => {
                    assert!(why.to_string().contains("not here"), "{why}");
                }
                placed => assert!(n != 4 && placed.is_ok(), "{n}: {placed:?}"),
            }
        }
        let found = block_on(store.get(ids)).unwrap();
        for (n, found) in found.iter().enumerate() {
            assert_eq!(matches!(found, Lookup::Found(_)), n != 4, "{n}: {found:?}");
        }
    }
}

/// Many jobs are written by one statement; the one whose id is taken still refuses its own unit only.
#[test]
fn a_taken_id_among_many_refuses_its_unit_only() {
    let (_folder, store) = with_store();
    let worker = register(&store);
    let taken = put(&store, spec());
    for hand_off in [false, true] {
        let mut units: Vec<Unit> = (0..5)
            .map(|_| Unit {
                jobs: (0..21).map(|_| Arc::new(spec())).collect(),
                claim: hand_off.then_some(callboard::store::Claim { worker }),
                idempotency: None,
            })
            .collect();
        units[2].jobs[13] = Arc::new(callboard::store::JobSpec { id: taken, ..spec() });
        let ids: Vec<JobId> = units.iter().flat_map(|unit| &unit.jobs).map(|spec| spec.id).collect();
        let placed = block_on(store.enqueue(units));
        for (n, placed) in placed.iter().enumerate() {
            match placed {
                Err(StoreError::DuplicateId(id)) => assert!(n == 2 && *id == taken, "{n}"),
                placed => assert!(n != 2 && placed.as_ref().is_ok_and(|it| it.claimed == hand_off), "{n}: {placed:?}"),
            }
        }
        for (n, found) in block_on(store.get(ids)).unwrap().iter().enumerate() {
            let kept = n / 21 != 2 || n == 2 * 21 + 13;
            assert_eq!(matches!(found, Lookup::Found(_)), kept, "{n}: {found:?}");
        }
    }
}

/// Many outcomes are written by one statement; one that comes twice, or too late, harms no other.
#[test]
fn a_stale_outcome_among_many_is_stale_alone() {
    let folder = Folder::new();
    let file = folder.path().join("jobs.db");
    let [store, other] = [(); 2].map(|()| SqliteStore::open(SqliteOptions::new(&file)).unwrap());
    let worker = register(&store);
    let unit = Unit { jobs: (0..40).map(|_| Arc::new(spec())).collect(), claim: None, idempotency: None };
    block_on(store.enqueue(vec![unit]));
    let jobs = claim(&store, worker, 40);
    let outcome = |n: usize| Outcome {
        id: jobs[n].id(),
        run: 1,
        started_at: None,
        ending: Ending::Succeeded(Json::from_stored(n.to_string())),
        logs: Vec::new(),
    };
    // One has ended through another handle; one is changed there; one comes twice.
    assert!(block_on(other.finish(vec![outcome(7)])).unwrap()[0].is_accepted());
    block_on(other.change(jobs[20].id(), callboard::Change::Cancel)).unwrap();
    let mut outcomes: Vec<_> = (0..40).map(outcome).collect();
    outcomes.insert(31, outcome(30));
    let fates = block_on(store.finish(outcomes)).unwrap();
    for (n, fate) in fates.iter().enumerate() {
        assert_eq!(fate.is_accepted(), n != 7 && n != 31, "{n}: {fate:?}");
    }
    let found = block_on(store.get(jobs.iter().map(|job| job.id()).collect())).unwrap();
    for (n, found) in found.iter().enumerate() {
        let Lookup::Found(job) = found else { panic!("{n}: {found:?}") };
        assert_eq!(job.state.return_value, Some(Json::from_stored(n.to_string())), "{n}");
    }
}

/// An outcome that cannot be written harms no other, and its job still runs.
#[test]
fn one_bad_outcome_fails_alone() {
    let (_folder, store) = with_store();
    block_on(store.inspect(|connection| {
        connection
            .execute_batch(
                r#"CREATE TRIGGER refuse BEFORE INSERT ON callboard_done WHEN NEW.value = '"poison"'
                   BEGIN SELECT RAISE(ABORT, 'not this'); END"#,
            )
            .unwrap();
    }))
    .unwrap();
    let worker = register(&store);
    let ids: Vec<_> = (0..3).map(|_| put(&store, spec())).collect();
    let jobs = claim(&store, worker, 3);
    let (go, held) = std::sync::mpsc::channel::<()>();
    let holding = store.inspect(move |_| held.recv().unwrap());
    let values = ["1", r#""poison""#, "3"];
    let finishing: Vec<_> = jobs
        .iter()
        .zip(values)
        .map(|(job, value)| {
            let ending = Ending::Succeeded(Json::from_stored(value.into()));
            store.finish(vec![Outcome { id: job.id(), run: 1, started_at: None, ending, logs: Vec::new() }])
        })
        .collect();
    go.send(()).unwrap();
    block_on(holding).unwrap();
    let fates = block_on(join_all(finishing));
    assert!(fates[0].as_ref().unwrap()[0].is_accepted());
    assert!(matches!(&fates[1], Err(StoreError::Unavailable(_))), "{:?}", fates[1]);
    assert!(fates[2].as_ref().unwrap()[0].is_accepted());
    let again = Ending::Failed(callboard_tasks::TaskError::new("E", "m", "", 1, callboard::Timestamp::UNIX_EPOCH));
    let fate =
        block_on(store.finish(vec![Outcome { id: ids[1], run: 1, started_at: None, ending: again, logs: Vec::new() }]))
            .unwrap();
    assert!(fate[0].is_accepted(), "it still runs: {fate:?}");
}

/// Whoever waits for a full disk gets an error, nothing of it is kept, and with room it goes on by itself.
#[test]
fn a_full_disk_is_told_and_survived() {
    let (_folder, store) = with_store();
    let first = put(&store, spec());
    block_on(store.inspect(|connection| {
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let _: i64 =
            connection.query_row(&format!("PRAGMA max_page_count = {}", pages + 2), [], |row| row.get(0)).unwrap();
    }))
    .unwrap();
    let (go, held) = std::sync::mpsc::channel::<()>();
    let holding = store.inspect(move |_| held.recv().unwrap());
    let small = spec();
    let large = Unit { jobs: (0..2_000).map(|_| Arc::new(spec())).collect(), claim: None, idempotency: None };
    let (small_id, large_id) = (small.id, large.jobs[0].id);
    let placed = [store.enqueue(vec![unit(small)]), store.enqueue(vec![large])];
    go.send(()).unwrap();
    block_on(holding).unwrap();
    for placed in block_on(join_all(placed)) {
        let Err(StoreError::Unavailable(why)) = &placed[0] else { panic!("{placed:?}") };
        assert!(why.to_string().contains("the disk is full"), "{why}");
    }
    assert_eq!(block_on(store.get(vec![small_id, large_id])).unwrap(), [Lookup::Unknown, Lookup::Unknown]);

    block_on(store.inspect(|connection| {
        let _: i64 = connection.query_row("PRAGMA max_page_count = 1073741823", [], |row| row.get(0)).unwrap();
    }))
    .unwrap();
    let second = put(&store, spec());
    let found = block_on(store.get(vec![first, second])).unwrap();
    assert!(found.iter().all(|found| matches!(found, Lookup::Found(_))), "{found:?}");
}

/// What was answered before the process was killed is there afterwards.
#[test]
fn what_was_answered_survives_a_kill() {
    const VARIABLE: &str = "CALLBOARD_TEST_KILLED";
    if let Some(path) = std::env::var_os(VARIABLE) {
        let store = SqliteStore::open(SqliteOptions::new(path)).unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(60) {
            println!("kept {}", put(&store, spec()));
        }
        return;
    }
    let folder = Folder::new();
    let file = folder.path().join("jobs.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "stores::sqlite::durable::what_was_answered_survives_a_kill", "--nocapture"])
        .env(VARIABLE, &file)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut kept: Vec<JobId> = Vec::new();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    for line in lines.map_while(Result::ok) {
        if let Some((_, id)) = line.split_once("kept ") {
            kept.push(id.parse().unwrap());
        }
        if kept.len() == 300 {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(kept.len() >= 300, "{} were kept", kept.len());
    let store = SqliteStore::open(SqliteOptions::new(file)).unwrap();
    for (id, found) in kept.iter().zip(block_on(store.get(kept.clone())).unwrap()) {
        assert!(matches!(found, Lookup::Found(_)), "{id} was answered: {found:?}");
    }
}
