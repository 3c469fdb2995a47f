//! A backend of one's own is one actor with one handler. This one runs nothing: it writes each call down, as
//! a bridge to some other system would send it there.
//!
//! Run: cargo run --example custom_backend
//!
//! Prints:
//!     the ledger writes: custom_backend.pay {"amount":250,"to":"Ann"} in queue default
//!     the answer: READY at the backend ledger
//!     the ledger does not support retrieving or refreshing results

use std::error::Error as StdError;
use std::sync::Arc;

use actix::{Actor, Context, Handler};
use callboard::messages::Enqueue;
use callboard::store::Job;
use callboard::{Backend, Callboard, Clock, Door, Error, Snapshot, resolve, task};

/// Pays somebody. Never called here: the ledger only writes it down.
#[task(backend = "ledger")]
async fn pay(amount: u64, to: String) -> u64 {
    println!("{to} gets {amount}");
    amount
}

/// The backend.
struct Ledger {
    clock: Clock,
}

impl Actor for Ledger {
    type Context = Context<Self>;
}

impl Handler<Enqueue> for Ledger {
    type Result = Result<Snapshot, Error>;

    fn handle(&mut self, Enqueue(call): Enqueue, _: &mut Self::Context) -> Self::Result {
        // The board has checked the call; this fills in what it leaves out, and gives it an id.
        let spec = resolve(call, self.clock.now())?;
        println!("the ledger writes: {} {} in queue {}", spec.task, spec.args, spec.queue);
        Ok(Snapshot { backend: "ledger".into(), job: Job::new(Arc::new(spec)), duplicate: false, replayed: false })
    }
}

#[actix::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let ledger = Ledger { clock: Clock::system() }.start();
    let board = Callboard::builder()
        .memory()
        .backend("ledger", Backend::custom(Door::new(ledger.recipient())))
        .tasks(callboard::tasks![pay])
        .start()
        .await?;

    let mut result = board.enqueue(pay::with(250, "Ann")).await?;
    println!("the answer: {} at the backend {}", result.status(), result.backend());

    match result.refresh().await {
        Err(Error::Unsupported { alias, what }) => println!("the {alias} does not support {what}"),
        other => println!("unexpected: {other:?}"),
    }
    board.shutdown().await;
    Ok(())
}
