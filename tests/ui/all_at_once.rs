//! Everything that is wrong with one task is said at once.
#![allow(unused)]
use callboard_tasks::task;

#[task(prority = 5, timeout = "30")]
unsafe fn everything<T>(text: &str, (a, b): (u8, u8)) -> impl Sized {}

fn main() {
    // The function itself stands, so this is no further error.
    let _ = || unsafe { everything::<u8>("", (1, 2)) };
}
