#![allow(unused)]
use std::rc::Rc;
use std::sync::Mutex;

use callboard_tasks::task;

struct Mailer;

#[task]
async fn send(mailer: Mailer, to: String, counts: Vec<Rc<Mutex<Mailer>>>) {}

fn main() {}
