#![deny(unused_must_use)]
use callboard_tasks::task;

#[task]
async fn send(_to: String, _copies: u8, _title: Option<String>) {}

fn main() {
    let _ = send::with("a@b.example", "two", None);
    let _ = send::with(7, 2, None);
    let _ = send::with("a@b.example", 2, "title");
    let _ = send::with("a@b.example");
    send::with("a@b.example", 2, None);
}
