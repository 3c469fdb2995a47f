//! Many jobs over HTTP at once: none is lost, and every one is done.

use std::thread;

use serde_json::{Value, json};

use crate::support::{Server, http, wait_until};

/// How many jobs, and by how many clients: the long version is for `./ci.sh full`.
fn amount() -> (usize, usize) {
    let full = std::env::var("CALLBOARD_TEST").is_ok_and(|mode| mode == "full");
    if full { (100_000, 16) } else { (5_000, 8) }
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
