#![allow(unused)]
use callboard_tasks::task;

#[task]
pub struct Report {
    pages: u32,
}

#[task]
enum Size {
    Small,
}

#[task]
impl Report {
    fn send(&self) {}
}

#[task]
mod reports {}

#[task]
const LIMIT: u32 = 3;

#[task]
#[allow(dead_code)]
pub(crate) type Pages = u32;

fn main() {}
