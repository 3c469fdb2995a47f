#![allow(unused)]
use callboard_tasks::task;

struct Mailer;

#[task]
async fn value() -> Mailer {
    Mailer
}

#[task]
fn in_a_result() -> Result<Mailer, String> {
    Ok(Mailer)
}

fn main() {}
