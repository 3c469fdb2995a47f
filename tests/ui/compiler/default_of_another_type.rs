#![allow(unused)]
use callboard_tasks::task;

#[task]
async fn list(#[default("ten")] limit: u32, #[default(5)] title: String) {}

fn main() {}
