//! The durable stores through the server and the command line: what survives, what is missed, what the verbs do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard::{Callboard, Durable, EnqueueIn, Phase, ToSql, task, tasks};
use serde_json::{Value, json};

use crate::support::{Folder, Ran, Server, callboard, run, wait_until};

/// A server in a folder whose settings are these.
fn server(folder: &Arc<Folder>) -> Server {
    Server::start_in(Arc::clone(folder), &["--demo"], &[])
}

fn postgres_settings() -> String {
    let options = crate::stores::postgres_options();
    format!("[tasks.default]\nurl = \"{}\"\nschema = \"{}\"\n", options.url, options.schema)
}

/// Each durable store, as settings of a folder of its own.
pub(crate) fn folders() -> [Arc<Folder>; 2] {
    [String::from("[tasks.default]\nbackend = \"sqlite\"\n"), postgres_settings()].map(|settings| {
        let folder = Folder::new();
        folder.write("callboard.toml", &settings);
        Arc::new(folder)
    })
}

#[test]
fn what_was_accepted_survives_the_death_of_the_server() {
    for folder in folders() {
        let first = server(&folder);
        let done = first.enqueue(&json!({"task": "demo.add", "args": [2, 3]}));
        first.until_finished(&done);
        let later = first.enqueue(&json!({"task": "demo.add", "args": [20, 22], "run_after": "1s"}));
        // Dropped, it is killed.
        drop(first);
        let second = server(&folder);
        assert_eq!(second.get(&format!("/tasks/{done}")).json()["return_value"], 5);
        assert_eq!(second.until_finished(&later)["return_value"], 42);
    }
}

/// At the usual settings: the lease of 3 s, one beat, and what a busy machine takes on top.
#[test]
fn a_server_that_is_killed_is_missed_by_another_and_its_job_runs_again() {
    for folder in folders() {
        let first = server(&folder);
        let id = first.enqueue(&json!({"task": "demo.sleep", "args": {"ms": 1_000_000}}));
        first.until_phase(&id, "running");
        let second = server(&folder);
        let before = second.get(&format!("/tasks/{id}")).json();
        let killed = Instant::now();
        drop(first);
        let again = wait_until("it runs again", || {
            let task = second.get(&format!("/tasks/{id}")).json();
            (task["worker_ids"] != before["worker_ids"] && task["phase"] == "running").then_some(task)
        });
        println!("run again {:?} after the kill", killed.elapsed());
        assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
        assert_eq!(again["attempts"], 1, "a loss is no attempt");
        second.cli(&["cancel", &id]);
        second.until_finished(&id);
    }
}

#[test]
fn a_server_that_stood_still_for_a_while_keeps_its_job() {
    for folder in folders() {
        let (first, second) = (server(&folder), server(&folder));
        let id = first.enqueue(&json!({"task": "demo.sleep", "args": {"ms": 6_000}}));
        let before = first.until_phase(&id, "running");
        first.signal("STOP");
        std::thread::sleep(Duration::from_millis(2_500));
        first.signal("CONT");
        let ended = second.until_finished(&id);
        assert_eq!((&ended["status"], &ended["attempts"]), (&json!("SUCCESSFUL"), &json!(1)));
        assert_eq!(ended["worker_ids"], before["worker_ids"]);
    }
}

#[test]
fn two_servers_share_the_work_and_each_job_runs_once() {
    for folder in folders() {
        let servers = [server(&folder), server(&folder)];
        let ids: Vec<String> =
            (0..60).map(|n| servers[n % 2].enqueue(&json!({"task": "demo.add", "args": [n, 1]}))).collect();
        for (n, id) in ids.iter().enumerate() {
            // Whoever is asked knows the end, whoever ran it.
            let task = servers[(n + 1) % 2].until_finished(id);
            assert_eq!((&task["return_value"], &task["attempts"]), (&json!(n + 1), &json!(1)), "{task}");
        }
    }
}

#[test]
fn who_waits_at_another_server_is_told_of_the_end() {
    for folder in folders() {
        let (runs, waits) = (server(&folder), server(&folder));
        let id = runs.enqueue(&json!({"task": "demo.sleep", "args": {"ms": 2_500}}));
        runs.until_phase(&id, "running");
        let task = waits.get(&format!("/tasks/{id}?wait=20")).json();
        assert_eq!(task["status"], "SUCCESSFUL", "{task}");
    }
}

fn cli(folder: &Folder, arguments: &[&str]) -> Ran {
    run(callboard(folder, arguments, &[]))
}

fn json_of(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn prune_removes_what_is_past_its_time_and_a_dry_run_only_counts() {
    for folder in folders() {
        let ids: Vec<String> = {
            let server = server(&folder);
            let ids = (0..3).map(|n| server.enqueue(&json!({"task": "demo.add", "args": [n, n]}))).collect::<Vec<_>>();
            ids.iter().for_each(|id| drop(server.until_finished(id)));
            ids
        };
        let settings = std::fs::read_to_string(folder.path().join("callboard.toml")).unwrap();
        folder.write("callboard.toml", &format!("{settings}[tasks.default.options]\nkeep_successful = \"1ms\"\n"));
        let counted = json_of(&cli(&folder, &["prune", "--dry-run", "--json"]));
        assert_eq!(counted, json!({"dry_run": true, "due": {"successful": 3, "failed": 0}, "pruned": 0}));
        let human = cli(&folder, &["prune", "--dry-run"]);
        assert_eq!(human.stdout, "3 jobs are past their time: 3 successful, 0 others\n");
        assert_eq!(cli(&folder, &["prune"]).stdout, "3 jobs removed\n");
        assert_eq!(cli(&folder, &["prune"]).stdout, "0 jobs removed\n");
        let server = server(&folder);
        assert_eq!(server.get(&format!("/tasks/{}", ids[0])).status, 410);
    }
}

#[test]
fn migrate_shows_the_steps_and_takes_them() {
    for folder in folders() {
        let taken = |steps: &Value| steps["steps"].as_array().unwrap().iter().all(|step| !step["applied_at"].is_null());
        let before = json_of(&cli(&folder, &["migrate", "status", "--json"]));
        assert!(!taken(&before) && before["steps"][0]["version"] == 1, "{before}");
        let after = json_of(&cli(&folder, &["migrate", "up", "--json"]));
        assert!(taken(&after), "{after}");
        assert_eq!(json_of(&cli(&folder, &["migrate", "status", "--json"])), after);
        let sql = cli(&folder, &["migrate", "--sql"]);
        assert!(sql.code == 0 && sql.stdout.contains("CREATE TABLE"), "{}", sql.stderr);
        let nothing = cli(&folder, &["migrate"]);
        assert_eq!(nothing.code, 2);
        assert!(nothing.stderr.contains("migrate up, migrate status, or migrate --sql"), "{}", nothing.stderr);
    }
}

#[test]
fn a_bench_finds_every_job_with_its_value() {
    for folder in folders() {
        let figures = json_of(&cli(&folder, &["bench", "--jobs", "200", "--producers", "8", "--json"]));
        assert_eq!(figures["kept"], json!({"expected": 1_600, "successful": 1_600, "values_are_right": true}));
        for rate in ["enqueue_per_s", "end_to_end_per_s", "bulk_end_to_end_per_s", "drain_per_s"] {
            assert!(figures[rate].as_f64().unwrap() > 0.0, "{figures}");
        }
        assert!(figures["latency_us"]["p50"].as_u64().unwrap() > 0, "{figures}");
        let server = server(&folder);
        let refused = cli(&folder, &["bench", "--jobs", "10"]);
        assert_eq!(refused.code, 1);
        assert!(refused.stderr.contains("another process works at this store"), "{}", refused.stderr);
        drop(server);
    }
}

#[test]
fn a_store_that_cannot_be_opened_is_named_with_the_reason() {
    let folder = Folder::new();
    folder.write("text.db", "this is no database, but a text that is longer than the header of one would be, by far");
    let toml = |url: &str| format!("[tasks.default]\nurl = \"{url}\"\n");
    for (settings, expected) in [
        (toml("text.db"), "text.db"),
        (toml("no/such/folder/jobs.db"), "no/such/folder"),
        (toml("postgres://ada:secret@127.0.0.1:1/jobs"), "postgres://ada@127.0.0.1:1/jobs"),
    ] {
        folder.write("callboard.toml", &settings);
        let ran = cli(&folder, &["prune"]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(ran.stderr.contains(expected) && !ran.stderr.contains("secret"), "{}", ran.stderr);
    }
}

#[test]
fn a_server_waits_for_its_database_and_can_be_stopped_meanwhile() {
    let folder = Folder::new();
    folder.write("callboard.toml", "[tasks.default]\nurl = \"postgres://ada:secret@127.0.0.1:1/jobs\"\n");
    let mut command = callboard(&folder, &["--bind", "127.0.0.1:0"], &[]);
    let log = folder.path().join("log");
    command.stderr(std::fs::File::create(&log).unwrap());
    let mut child = command.spawn().unwrap();
    let read = || std::fs::read_to_string(&log).unwrap();
    wait_until("it tries again", || (read().matches("cannot be opened yet").count() >= 2).then_some(()));
    assert!(!read().contains("secret"), "{}", read());
    let kill = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(kill.success());
    let status = wait_until("it ends", || child.try_wait().unwrap());
    assert!(status.success(), "{status}");
}

/// Does nothing, and is found by no other board.
#[task(name = "durable.greet", register = false)]
async fn greet(name: String) -> String {
    format!("hello, {name}")
}

fn soon() -> Duration {
    Duration::from_secs(20)
}

#[tokio::test]
async fn a_job_in_a_transaction_of_ones_own_on_sqlite_shares_its_fate() {
    let folder = Folder::new();
    let file = folder.path().join("app.db");
    let board = Callboard::builder().sqlite(&file).tasks(tasks![greet]).start().await.unwrap();
    let mut app = rusqlite::Connection::open(&file).unwrap();

    let tx = app.transaction().unwrap();
    let gone = board.enqueue_in_sqlite(&tx, greet::with("nobody")).unwrap();
    tx.rollback().unwrap();
    let tx = app.transaction().unwrap();
    let kept = board.enqueue_in_sqlite(&tx, greet::with("Ada")).unwrap();
    assert_eq!(kept.phase(), Phase::Ready);
    tx.commit().unwrap();

    let committed = Instant::now();
    let kept = kept.wait(soon()).await.unwrap();
    println!("ended {:?} after the commit", committed.elapsed());
    assert_eq!(kept.return_value().unwrap(), "hello, Ada");
    assert!(matches!(board.get(gone.id()).await, Err(callboard::Error::NotFound(_))));

    let tx = app.transaction().unwrap();
    let only = || greet::with("Eve").unique(callboard_tasks::Unique::by_args());
    let [first, second] = [(); 2].map(|()| board.enqueue_in_sqlite(&tx, only()).unwrap());
    assert_eq!((first.is_duplicate(), second.is_duplicate(), second.id()), (false, true, first.id()));
    tx.commit().unwrap();
    assert_eq!(second.wait(soon()).await.unwrap().return_value().unwrap(), "hello, Eve");

    let refused = board.enqueue_in_sqlite(&app, greet::with("Ada").queue("nowhere")).unwrap_err();
    assert!(matches!(refused, callboard::Error::InvalidTask(_)), "{refused}");
    board.shutdown().await;
}

#[tokio::test]
async fn a_job_in_a_transaction_of_ones_own_on_postgres_shares_its_fate() {
    let options = crate::stores::postgres_options();
    let (url, schema) = (options.url.clone(), options.schema.clone());
    let board = Callboard::builder()
        .backend("default", callboard::Backend::open(options))
        .tasks(tasks![greet])
        .start()
        .await
        .unwrap();
    let (mut app, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);

    let tx = app.transaction().await.unwrap();
    let gone = board.enqueue_in(&tx, greet::with("nobody")).await.unwrap();
    tx.rollback().await.unwrap();
    let tx = app.transaction().await.unwrap();
    let kept = board.enqueue_in(&tx, greet::with("Ada")).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(kept.wait(soon()).await.unwrap().return_value().unwrap(), "hello, Ada");
    assert!(matches!(board.get(gone.id()).await, Err(callboard::Error::NotFound(_))));

    // The same as a statement for any driver, and by hand.
    let (statement, parameters) = greet::with("Eve").to_sql(&schema).unwrap();
    let parameters: Vec<_> = parameters.iter().map(|text| text as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
    let id = id_of(&app.query_one(&statement, &parameters).await.unwrap());
    assert_eq!(ended(&board, id).await, json!("hello, Eve"));
    let by_hand = format!("SELECT {schema}.enqueue('durable.greet', '{{\"name\": \"Bob\"}}')");
    let id = id_of(&app.query_one(&by_hand, &[]).await.unwrap());
    assert_eq!(ended(&board, id).await, json!("hello, Bob"));

    let elsewhere = board.enqueue_in_sqlite(&rusqlite::Connection::open_in_memory().unwrap(), greet::with("x"));
    assert!(matches!(elsewhere, Err(callboard::Error::Unsupported { .. })));
    board.shutdown().await;
    crate::stores::run_sql(&url, &format!("DROP SCHEMA {schema} CASCADE"));
}

fn id_of(row: &tokio_postgres::Row) -> callboard::JobId {
    callboard::JobId::from_uuid(row.get(0))
}

async fn ended(board: &Callboard, id: callboard::JobId) -> Value {
    let result = board.get(id).await.unwrap().wait(soon()).await.unwrap();
    result.return_value().unwrap().clone()
}
