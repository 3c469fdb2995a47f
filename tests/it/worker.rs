//! Worker processes beside a server that enqueues only: who works which queue, and when they leave.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::{Folder, Server, callboard, run, wait_until};

const QUEUES: &str = "[tasks.default]\nbackend = \"sqlite\"\nqueues = [\"default\", \"mail\", \"slow\"]\n";

/// A server that works nothing, and the folder in which workers find the settings of theirs.
fn enqueuer() -> (Server, Arc<Folder>) {
    let folder = Arc::new(Folder::new());
    folder.write("callboard.toml", QUEUES);
    folder.write("web.toml", &format!("{QUEUES}work = {{ queues = {{}} }}\n"));
    let server = Server::start_in(Arc::clone(&folder), &["--demo", "--config", "web.toml"], &[]);
    (server, folder)
}

fn echo(server: &Server, queue: &str) -> String {
    server.enqueue(&json!({"task": "demo.echo", "args": [queue], "queue": queue}))
}

fn phase(server: &Server, id: &str) -> Value {
    server.get(&format!("/tasks/{id}")).json()["phase"].clone()
}

#[test]
fn a_worker_works_the_queues_that_it_is_told_to() {
    let (server, folder) = enqueuer();
    let ids = ["default", "mail", "slow"].map(|queue| echo(&server, queue));
    let mail = Server::worker(&folder, &["--queues", "mail=4"]);
    server.until_finished(&ids[1]);
    let rest = Server::worker(&folder, &["--exclude", "slow,mail"]);
    server.until_finished(&ids[0]);
    assert_eq!(phase(&server, &ids[2]), "ready");
    let all = Server::worker(&folder, &[]);
    assert_eq!(server.until_finished(&ids[2])["return_value"], "slow");
    drop((mail, rest, all));
}

#[test]
fn a_worker_says_how_it_is_and_takes_no_calls() {
    let (server, folder) = enqueuer();
    let mut worker = Server::worker(&folder, &[]);
    assert!(
        worker.stdout().contains(" working, 12 tasks registered, health at http://127.0.0.1:"),
        "{}",
        worker.stdout()
    );
    for path in ["/healthz", "/readyz"] {
        assert_eq!(worker.get(path).status, 200, "{path}");
    }
    assert_eq!(worker.get("/readyz").json()["checks"]["lease:default"]["status"], "ok");
    assert_eq!(worker.post("/enqueue", &json!({"task": "demo.echo", "args": [1]})).status, 404);
    worker.signal("TERM");
    assert!(worker.wait().success());
    assert!(worker.stderr().contains("the board has shut down"), "{}", worker.stderr());
    drop(server);
}

#[test]
fn a_worker_that_drains_leaves_when_nothing_that_is_due_is_left() {
    let (server, folder) = enqueuer();
    let due: Vec<_> = (0..20).map(|_| echo(&server, "default")).collect();
    let later = server.enqueue(&json!({"task": "demo.echo", "args": [1], "run_after": "1h"}));
    let other = echo(&server, "mail");
    let ran = run(callboard(&folder, &["worker", "--demo", "--drain", "--exclude", "mail"], &[]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(due.iter().all(|id| phase(&server, id) == "successful"));
    assert_eq!((phase(&server, &later), phase(&server, &other)), (json!("scheduled"), json!("ready")));
}

#[test]
fn a_worker_leaves_after_so_many_attempts() {
    let (server, folder) = enqueuer();
    let ids: Vec<_> = (0..5).map(|_| echo(&server, "default")).collect();
    let ran = run(callboard(&folder, &["worker", "--demo", "--max-tasks", "3"], &[]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let count = |wanted: &str| ids.iter().filter(|id| phase(&server, id) == wanted).count();
    wait_until("the ends are seen", || (count("successful") == 3 && count("ready") == 2).then_some(()));
}

#[test]
fn a_worker_that_could_never_work_is_refused_with_the_fix() {
    let folder = Folder::new();
    folder.write("callboard.toml", QUEUES);
    folder.write("memory.toml", "[tasks.default]\nbackend = \"memory\"\n");
    for (arguments, expected) in [
        (&["worker", "--config", "memory.toml"][..], "name a sqlite or postgres backend in the settings"),
        (&["worker", "--queues", "mial"], "--queues: no backend has a queue \"mial\"; there are default, mail, slow"),
        (&["worker", "--exclude", "mial"], "--exclude: no backend has a queue \"mial\"; there are default, mail, slow"),
        (&["worker", "--queues", "mail=none"], "\"none\" is no number of tasks at once; write mail=4, or mail alone"),
        (&["worker", "--max-tasks", "0"], "0 is not in 1.."),
    ] {
        let ran = run(callboard(&folder, arguments, &[]));
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(expected), "{ran:?}");
    }
}
