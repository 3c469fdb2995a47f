#![allow(unused)]
use callboard_tasks::task;

#[task]
async fn generic<T: Send>(value: T) {}

#[task]
async fn lifetimes<'a, 'b>(first: u8) {}

#[task]
fn constrained(value: u8)
where
    u8: Copy,
{
}

#[task]
const fn constant() {}

#[task]
unsafe fn dangerous() {}

#[task]
extern "C" fn foreign() {}

#[task]
unsafe extern "C" fn both() {}

fn main() {}
