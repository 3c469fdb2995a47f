#![allow(unused)]
use callboard_tasks::task;

#[task]
unsafe extern "C" fn variadic(first: u8, rest: ...) {}

fn main() {}
