#![allow(unused)]
use callboard_tasks::task;

#[task]
async fn opaque() -> impl serde::Serialize {}

#[task]
async fn never() -> ! {
    loop {}
}

#[task]
fn borrowed() -> &'static str {
    ""
}

#[task]
fn borrowed_inside() -> Result<Option<&'static [u8]>, String> {
    Ok(None)
}

fn main() {}
