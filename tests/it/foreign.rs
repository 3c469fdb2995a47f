//! A server that lacks the code of a task, and the worker process that has it: calls by name are as the owner's own.
//!
//! The worker is this test binary, started with the one test [`worker`].

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use callboard::{Backend, Callboard, Data, task, tasks};
use serde_json::{Value, json};

use crate::support::{Folder, Server, wait_until};

/// Where the worker finds the folder of the test.
const ORDER: &str = "CALLBOARD_IT_FOREIGN";

const SETTINGS: &str = r#"
[tasks.default]
backend = "sqlite"
url = "jobs.db"
queues = []
work = { queues = {} }
[tasks.default.limits.bills]
key_concurrency = 1
"#;

/// Runs until the folder has a file `go`.
#[task(
    name = "foreign.bill",
    register = false,
    queue = "bills",
    unique = true,
    limit_key = "tenant",
    redact = ["account"]
)]
async fn bill(folder: Data<PathBuf>, tenant: String, month: u8, account: String, rate: Option<f64>) -> String {
    let _ = (account, rate);
    while !folder.join("go").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    format!("{tenant} {month}")
}

/// The worker itself: it enqueues a call of its own once it is asked to, and writes down which job that became. Without
/// an order, as when all ignored tests are asked for, there is nothing to do.
#[test]
#[ignore = "a process of the tests of foreign tasks, which start it"]
fn worker() {
    let Ok(folder) = std::env::var(ORDER) else { return };
    let folder = PathBuf::from(folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let backend = Backend::open(callboard::store::sqlite::SqliteOptions::new(folder.join("jobs.db")));
        let builder = Callboard::builder().backend("default", backend.queues(Vec::<String>::new()));
        let board = builder.tasks(tasks![bill]).data(folder.clone()).start().await.unwrap();
        let asked = folder.join("ask");
        loop {
            if asked.exists() {
                let result = board.enqueue(bill::with("acme", 1, "DE-4711", Some(1.0))).await.unwrap();
                std::fs::write(folder.join("answer.new"), result.id().to_string()).unwrap();
                std::fs::rename(folder.join("answer.new"), folder.join("answer")).unwrap();
                std::fs::remove_file(&asked).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

/// The process with the code; it is killed when the test is over.
struct Worker(Child);

impl Worker {
    fn start(folder: &Folder) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["foreign::worker", "--exact", "--ignored"]).env(ORDER, folder.path());
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_without_the_code_enqueues_as_the_owner_of_the_task_would() {
    let folder = Arc::new(Folder::new());
    folder.write("callboard.toml", SETTINGS);
    let server = Server::start_in(Arc::clone(&folder), &[], &[]);
    let _worker = Worker::start(&folder);
    wait_until("the worker has published its task", || {
        server.get("/registry").text.contains("foreign.bill").then_some(())
    });
    let body = |args: Value| json!({"task": "foreign.bill", "args": args});

    let first = server.enqueue(&body(json!(["acme", 1, "DE-4711", 1])));
    let task = server.until_phase(&first, "running");
    assert_eq!((&task["queue"], &task["args"]["account"]), (&json!("bills"), &json!("•••")), "{task}");

    // The same by name, in another order: there is one of it.
    let again =
        server.post("/enqueue", &body(json!({"rate": 1.0, "account": "DE-4711", "month": 1, "tenant": "acme"})));
    assert_eq!(again.status, 200, "{}", again.text);
    assert_eq!((&again.json()["id"], &again.json()["deduplicated"]), (&json!(first), &json!(true)));

    // The owner meets what was enqueued without its code.
    folder.write("ask", "");
    let answer = folder.path().join("answer");
    let own = wait_until("the worker has enqueued", || std::fs::read_to_string(&answer).ok());
    assert_eq!(own, first);

    // Another of the same tenant waits for its limit key, one of another tenant does not.
    let second = server.enqueue(&body(json!(["acme", 2, "DE-4711"])));
    let other = server.enqueue(&body(json!(["umbrella", 2, "DE-4712"])));
    server.until_phase(&other, "running");
    let why = server.get(&format!("/tasks/{second}/why")).json();
    assert_eq!(why["reasons"][0]["code"], "concurrency_limit", "{why}");
    assert!(!why.to_string().contains("DE-4711"), "{why}");

    folder.write("go", "");
    for (id, value) in [(first, "acme 1"), (second, "acme 2"), (other, "umbrella 2")] {
        assert_eq!(server.until_finished(&id)["return_value"], value);
    }
}
