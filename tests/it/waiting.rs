//! What it costs to hold requests that wait, and how soon they are answered.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Server, wait_until};

/// The resident memory of a process, in KiB.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

fn ask(server: &Server, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

#[cfg(target_os = "linux")]
#[test]
fn a_request_that_waits_takes_little_memory() {
    const WAITING: usize = 800;
    let server = Server::start();
    let id = server.enqueue(&json!({"task": "demo.add", "args": [1, 2], "run_after": "1h"}));
    let path = format!("/tasks/{id}?wait=30");
    // Whatever is made once is made by the first.
    let first: Vec<_> = (0..50).map(|_| ask(&server, &path)).collect();
    server.get("/healthz");
    let before = resident(server.id());
    let waiting: Vec<_> = (0..WAITING).map(|_| ask(&server, &path)).collect();
    // A request that is answered came after all of them.
    wait_until("all of them are open", || {
        let files = std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
        (files > WAITING + 50).then_some(())
    });
    server.get("/healthz");
    let each = (resident(server.id()).saturating_sub(before)) as f64 / WAITING as f64;
    // 25 of them are actix's: two buffers and room for 16 headers. Without optimisation futures are larger.
    let most = if cfg!(debug_assertions) { 40.0 } else { 36.0 };
    assert!(each <= most, "{each:.1} KiB for each request that waits");
    drop((first, waiting));
}

#[test]
fn a_request_that_waits_is_answered_as_soon_as_its_task_has_ended() {
    let server = Server::start();
    let mut late = Vec::new();
    for _ in 0..15 {
        let id = server.enqueue(&json!({"task": "demo.sleep", "args": [50]}));
        let mut stream = ask(&server, &format!("/tasks/{id}?wait=20"));
        let mut answer = String::new();
        let begun = Instant::now();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("SUCCESSFUL"), "{answer}");
        // It began when the task was about to sleep, or a little later: what is more than its sleep is too late.
        late.push(begun.elapsed().saturating_sub(Duration::from_millis(50)));
    }
    late.sort_unstable();
    assert!(late[3] <= Duration::from_millis(10), "a fifth is no later than {:?}", late[3]);
}
