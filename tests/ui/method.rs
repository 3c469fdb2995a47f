#![allow(unused)]
use callboard_tasks::task;

struct Mailer;

impl Mailer {
    #[task]
    async fn send(&self, to: String) {}

    #[task]
    fn consume(self) {}
}

trait Sender {
    #[task]
    fn declared(to: String);
}

fn main() {}
