#![allow(unused)]
use callboard_tasks::{Data, TaskContext, task};

mod actix_web {
    pub mod web {
        pub struct Data<T>(pub T);
    }
}
use actix_web::web;

struct Point {
    x: u8,
}

#[task]
async fn unnamed(into: impl Into<String>, (a, b): (u8, u8), Point { x }: Point, _: u8, ref borrowed: u8) {}

#[task]
async fn borrowed(
    text: &str,
    bytes: &[u8],
    path: &std::path::Path,
    number: &'static u64,
    maybe: Option<&str>,
    cow: std::borrow::Cow<'_, str>,
) {
}

#[task]
async fn supplied(
    context: &mut TaskContext,
    forever: &'static TaskContext,
    lent: &Data<String>,
    #[inject] also_lent: &Data<u8>,
    short: web::Data<String>,
    long: actix_web::web::Data<String>,
) {
}

#[task]
async fn marked(
    #[inject]
    #[default(1)]
    both: u8,
    #[default(1)] data: Data<String>,
    #[default(1)] context: &TaskContext,
    #[default] empty: u8,
    #[default = 3] assigned: u8,
    #[default(1)]
    #[default(2)]
    twice: u8,
    #[inject(always)] with_words: Data<u8>,
    #[cfg(unix)] sometimes: u8,
) {
}

fn main() {}
