#![allow(unused)]
use callboard_tasks::task;

mod chess {
    pub enum Result {
        Won,
        Lost,
    }
}

#[task]
async fn play() -> chess::Result {
    chess::Result::Won
}

fn main() {}
