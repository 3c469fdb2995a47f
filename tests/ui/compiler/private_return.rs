#![allow(unused)]
use callboard_tasks::task;

#[derive(serde::Serialize, serde::Deserialize)]
struct Sum(u32);

#[task]
pub async fn sum() -> Sum {
    Sum(1)
}

fn main() {}
