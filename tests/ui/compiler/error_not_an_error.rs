#![allow(unused)]
use callboard_tasks::task;

struct Oops;

#[task]
async fn fails() -> Result<(), Oops> {
    Err(Oops)
}

#[task]
fn fails_with_a_number() -> Result<u8, u8> {
    Err(1)
}

fn main() {}
