//! An actix system of its own sends `Enqueue` to the board, and one of its actors receives `TaskFinished`.
//!
//! Run: cargo run --example embed_actors
//!
//! Prints:
//!     the box office hears: embed_actors.sell_ticket is SUCCESSFUL, seat 14
//!     the box office hears: embed_actors.sell_ticket is FAILED, there is no seat 99

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, Recipient, System, WrapFuture};
use callboard::messages::{Enqueue, TaskFinished};
use callboard::{Callboard, task};

/// Sells a seat. Selling one that does not exist fails for good: `max_attempts = 1`.
#[task(max_attempts = 1)]
async fn sell_ticket(seat: u32) -> Result<u32, String> {
    if seat > 40 {
        return Err(format!("there is no seat {seat}"));
    }
    Ok(seat)
}

/// The program's own actor: asks for tickets one after the other, and hears what became of each.
struct BoxOffice {
    board: Recipient<Enqueue>,
    seats: Vec<u32>,
}

/// Ask for the next ticket.
#[derive(Message)]
#[rtype(result = "()")]
struct Next;

impl Actor for BoxOffice {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.notify(Next);
    }
}

impl Handler<Next> for BoxOffice {
    type Result = ();

    fn handle(&mut self, _: Next, ctx: &mut Self::Context) {
        let Some(seat) = self.seats.pop() else { return System::current().stop() };
        let enqueued = self.board.send(Enqueue::new(sell_ticket::with(seat)));
        ctx.spawn(enqueued.into_actor(self).map(|answer, _, _| {
            answer.expect("the board runs").expect("the call is valid");
        }));
    }
}

impl Handler<TaskFinished> for BoxOffice {
    type Result = ();

    fn handle(&mut self, TaskFinished(result): TaskFinished, ctx: &mut Self::Context) {
        let outcome = match result.return_value() {
            Ok(seat) => format!("seat {seat}"),
            Err(_) => result.errors()[0].message.clone(),
        };
        println!("the box office hears: {} is {}, {outcome}", result.task(), result.status());
        ctx.notify(Next);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let system = System::new();
    system.block_on(async {
        let board = Callboard::builder().memory().tasks(callboard::tasks![sell_ticket]).start().await?;
        let enqueue = board.recipient::<Enqueue>("default")?;
        let box_office = BoxOffice { board: enqueue, seats: vec![99, 14] }.start();
        board.subscribe(box_office.recipient::<TaskFinished>());
        // The board stops when its last handle goes, so the system keeps one.
        actix::spawn(async move {
            let _board = board;
            std::future::pending::<()>().await;
        });
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    Ok(system.run()?)
}
