#![allow(unused)]
use callboard_tasks::task;

type Outcome<T> = Result<T, String>;

#[task]
async fn hidden() -> Outcome<u8> {
    Ok(1)
}

fn main() {}
