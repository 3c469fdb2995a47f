#![allow(unused)]
use callboard_tasks::task;

#[task(prority = 5, retries = 3, uniq = true, nonsense = 1)]
async fn unknown() {}

#[task(run_after = "5m")]
async fn later() {}

#[task(delay = "5m", takes_context = true)]
async fn foreign() {}

#[task(queue = "a", priority = 1, queue = "b")]
async fn duplicate() {}

#[task("mail", http, queue "mail", priority = 1 timeout = "30s", backend =)]
async fn malformed() {}

fn main() {}

#[task(limit_key = "tenant")]
async fn of_no_argument(name: String) {}

// Django 21
