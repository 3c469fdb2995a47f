//! The server: `callboard` alone starts it, the other verbs speak to one.

mod demo;

use std::process::ExitCode;

use callboard::cli::Program;
use callboard::{Callboard, Durable};

/// A job is made on one thread and dropped on another, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let board = Callboard::builder().sqlite("callboard.db").tasks(demo::always());
    #[cfg(feature = "mail")]
    let board = callboard::mail::WithMail::mail(board, callboard::mail::Mailers::console());
    Program::new(board).demo(|board| board.tasks(demo::demo())).main()
}
