#![allow(unused)]
use callboard_tasks::task;

mod report {}

#[task]
async fn report() {}

fn main() {}
