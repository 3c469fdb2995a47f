//! Many jobs over HTTP at once, and far too many: none that was accepted is lost, and every one is done.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Folder, Server, http, wait_until};

/// The long versions are for `./ci.sh full`.
fn full() -> bool {
    std::env::var("CALLBOARD_TEST").is_ok_and(|mode| mode == "full")
}

/// How many jobs, and by how many clients.
fn amount() -> (usize, usize) {
    if full() { (100_000, 16) } else { (5_000, 8) }
}

#[test]
fn every_job_that_was_answered_with_202_becomes_successful() {
    let (jobs, clients) = amount();
    let server = Server::start();
    let url = format!("{}/enqueue", server.url);
    thread::scope(|scope| {
        for client in 0..clients {
            let (http, url) = (http(), url.clone());
            scope.spawn(move || {
                for n in (client..jobs).step_by(clients) {
                    let body = json!({"task": "demo.add", "args": [n, 1]}).to_string();
                    let request = http.post(&url).header("Content-Type", "application/json").body(body);
                    assert_eq!(request.send().unwrap().status(), 202);
                }
            });
        }
    });

    let successful = wait_until("every job is successful", || {
        let (mut count, mut cursor) = (0, String::new());
        loop {
            let page = server.get(&format!("/tasks?status=SUCCESSFUL&limit=200{cursor}")).json();
            let items = page["items"].as_array().unwrap();
            // Each one has done its own sum: no result belongs to another's arguments.
            assert!(items.iter().all(|job| job["return_value"] == json!(job["args"]["a"].as_i64().unwrap() + 1)));
            count += items.len();
            match &page["next"] {
                Value::String(next) => cursor = format!("&cursor={next}"),
                _ => return (count == jobs).then_some(count),
            }
        }
    });
    assert_eq!(successful, jobs);
}

/// How many tasks a second the server of the overload can do: so many at once, of 10 ms each.
const AT_ONCE: u32 = 5;
const CAPACITY: f64 = AT_ONCE as f64 * 100.0;

fn resident_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The ids of all tasks that were successful.
fn successful(server: &Server) -> HashSet<String> {
    let (mut ids, mut cursor) = (HashSet::new(), String::new());
    loop {
        let page = server.get(&format!("/tasks?status=SUCCESSFUL&limit=200{cursor}")).json();
        ids.extend(page["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        match &page["next"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return ids,
        }
    }
}

/// Clients bring five times what the server can do, each at times of its own and without regard to how long the answers
/// take; the queue may hold 500.
#[test]
fn under_five_times_what_it_can_do_no_accepted_task_is_lost_health_answers_and_memory_stays() {
    let (clients, time) = if full() { (32, Duration::from_secs(60)) } else { (8, Duration::from_secs(3)) };
    for (store, folder) in ["SQLite", "PostgreSQL"].into_iter().zip(crate::durable::folders()) {
        let settings = std::fs::read_to_string(folder.path().join("callboard.toml")).unwrap();
        let limits =
            format!("[tasks.default.options]\nconcurrency = {AT_ONCE}\n[tasks.default.limits.default]\ndepth = 500\n");
        folder.write("callboard.toml", &(settings + &limits));
        overload(store, &folder, clients, time);
    }
}

fn overload(store: &str, folder: &Arc<Folder>, clients: u32, time: Duration) {
    let server = Server::start_in(Arc::clone(folder), &["--demo"], &[]);
    let (url, over) = (format!("{}/enqueue", server.url), AtomicBool::new(false));
    let (offered, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let pause = Duration::from_secs_f64(f64::from(clients) / (5.0 * CAPACITY));
    let (accepted, mut health, memory) = thread::scope(|scope| {
        let began = Instant::now();
        let senders: Vec<_> = (0..clients)
            .map(|client| {
                let (http, url, offered, refused) = (http(), url.clone(), &offered, &refused);
                scope.spawn(move || {
                    let mut accepted = Vec::new();
                    for n in 0.. {
                        let due = pause * n + pause * client / clients;
                        if due >= time {
                            return accepted;
                        }
                        thread::sleep(due.saturating_sub(began.elapsed()));
                        let body = json!({"task": "demo.sleep", "args": {"ms": 10}}).to_string();
                        let reply =
                            http.post(&url).header("Content-Type", "application/json").body(body).send().unwrap();
                        offered.fetch_add(1, Ordering::Relaxed);
                        let (status, answer) = (reply.status().as_u16(), reply.json::<Value>().unwrap());
                        if status == 202 {
                            accepted.push(answer["id"].as_str().unwrap().to_owned());
                        } else {
                            assert_eq!((status, &answer["type"]), (503, &json!("/problems/queue-full")), "{answer}");
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    unreachable!("the time is over before the numbers are")
                })
            })
            .collect();
        let prober = scope.spawn(|| {
            let (mut waits, mut sizes) = (Vec::new(), Vec::new());
            while !over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                assert_eq!(server.get("/healthz").status, 200);
                waits.push(asked.elapsed());
                sizes.push(resident_kib(server.id()));
                thread::sleep(Duration::from_millis(20));
            }
            (waits, sizes)
        });
        let accepted: Vec<String> = senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        let (waits, sizes) = prober.join().unwrap();
        (accepted, waits, sizes)
    });

    let brought = offered.load(Ordering::Relaxed) as f64 / time.as_secs_f64() / CAPACITY;
    health.sort();
    let late = health[health.len() * 99 / 100];
    let settled = memory[memory.len() / 4];
    let most = *memory[memory.len() / 4..].iter().max().unwrap();
    println!(
        "{store}: {brought:.1} times the capacity for {time:?}, {} accepted, {} refused; health p99 {late:?} of {}; \
         memory {settled} KiB after a quarter of the time, then {most} at most",
        accepted.len(),
        refused.load(Ordering::Relaxed),
        health.len(),
    );
    let accepted: HashSet<String> = accepted.into_iter().collect();
    wait_until("every accepted task is successful", || {
        let waiting = server.get("/queues/default").json()["counts"].clone();
        (waiting["ready"] == 0 && waiting["running"] == 0).then_some(())
    });
    assert!(successful(&server) == accepted, "what was accepted is what was done");
    assert!(brought > 3.0, "the clients were too slow: {brought:.1} times");
    assert!(refused.load(Ordering::Relaxed) > accepted.len(), "it is an overload");
    // A busy machine in a short run is given more time: what stands still is found all the same.
    assert!(late < Duration::from_millis(if full() { 50 } else { 500 }), "health p99 {late:?}");
    assert!(most < settled + 16 * 1_024, "memory grows: {settled} KiB, then {most}");
}
