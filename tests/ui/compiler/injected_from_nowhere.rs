#![allow(unused)]
use callboard_tasks::{Data, task};

mod actix_web {
    pub mod web {
        pub struct Data<T>(pub T);
    }
}

struct Visitor;

#[task]
async fn visitor(#[inject] visitor: Visitor) {}

#[task]
async fn not_shared(data: Data<std::cell::Cell<u8>>) {}

mod tasks {
    use crate::actix_web::web::Data;

    #[callboard_tasks::task]
    async fn web_data(data: Data<String>) {}
}

fn main() {}
