#![allow(unused)]
use callboard_tasks::task;

struct Mailer;

impl Mailer {
    #[task]
    async fn send(&self, to: String) {}

    #[task]
    fn consume(self) {}
}

fn main() {}
