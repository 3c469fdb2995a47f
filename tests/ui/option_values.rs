#![allow(unused)]
use callboard_tasks::task;

const QUEUE: &str = "mail";

#[task(queue = QUEUE, priority = 101, backend = "", timeout = "30")]
async fn first() {}

#[task(queue = "the mail", priority = -101, max_attempts = 0, timeout = "0s")]
async fn second() {}

#[task(queue = 5, priority = "high", max_attempts = -1, timeout = 30, expires = "1x")]
async fn third() {}

#[task(priority = 1.5, max_attempts = 5000000000, backoff = "10m..2s", expires = "0ms", http = "no")]
async fn fourth() {}

#[task(backoff = "2s..", timeout = "1m1h")]
async fn fifth() {}

#[task(backoff = "soon", timeout = "99999999999999999w")]
async fn sixth() {}

#[task(redact = "password", backoff = "2s*0.5..1m")]
async fn seventh(password: String) {}

#[task(redact = ["pasword", "card.number"], backoff = 5)]
async fn eighth(password: String, card: String) {}

fn main() {}
