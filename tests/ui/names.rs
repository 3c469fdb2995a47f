#![allow(unused)]
use callboard_tasks::task;

#[task]
async fn u8() {}

#[task]
fn str(text: String) {}

#[task]
async fn größe() {}

#[task(marker = bool)]
async fn with_marker() {}

#[task(marker = "quoted")]
async fn with_quoted_marker() {}

#[task(name = "mail send")]
async fn spaced() {}

#[task(name = "mail.send", aliases = ["mail.send", "old", "old", "not this", 7])]
async fn aliased() {}

#[task(aliases = "old")]
async fn not_a_list() {}

fn main() {}
