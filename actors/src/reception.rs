//! Where actors of the embedding program meet a backend: answers its messages through the permit-checked door.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

use actix::{Actor, Addr, Context, Handler, Message, ResponseFuture};
use callboard_tasks::{AnyCall, Change, Control, Error, Snapshot};
use parking_lot::Mutex;

use crate::Callboard;
use crate::door::Room;
use crate::handle::Inner;
use crate::messages::{
    Cancel, Drain, Enqueue, EnqueueAll, GetResult, List, Pause, Resume, Retry, Stats, Subscribe, Wait,
};

/// The actor behind [`Callboard::recipient`]. Its handlers only start futures, so it is never busy for long.
pub struct Reception {
    board: Weak<Inner>,
    alias: Arc<str>,
}

impl fmt::Debug for Reception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reception({})", self.alias)
    }
}

impl Actor for Reception {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(1024);
    }
}

/// One reception for each backend that somebody asked for.
#[derive(Debug, Default)]
pub(crate) struct Receptions(Mutex<HashMap<Arc<str>, Addr<Reception>>>);

impl Receptions {
    /// The reception of a backend; started when it is first asked for, or has died since.
    pub(crate) fn of(&self, board: &Callboard, alias: &Arc<str>) -> Addr<Reception> {
        let mut receptions = self.0.lock();
        if let Some(address) = receptions.get(alias).filter(|address| address.connected()) {
            return address.clone();
        }
        let (board, name) = (board.clone(), Arc::clone(alias));
        let home = board.0.hub.threads.coordination.clone();
        let board = Arc::downgrade(&board.0);
        let address = Reception::start_in_arbiter(&home, move |_| Reception { board, alias: name });
        receptions.insert(Arc::clone(alias), address.clone());
        address
    }
}

impl Reception {
    fn board(&self) -> Result<Callboard, Error> {
        self.board.upgrade().map(Callboard).ok_or(Error::Draining)
    }
}

/// Answers a message with a future made of the board, the alias and the message.
macro_rules! answers {
    ($($message:ident => |$board:ident, $alias:ident, $given:ident| $answer:expr;)*) => {$(
        impl Handler<$message> for Reception {
            type Result = ResponseFuture<<$message as Message>::Result>;

            fn handle(&mut self, $given: $message, _: &mut Context<Self>) -> Self::Result {
                let (board, $alias) = (self.board(), Arc::clone(&self.alias));
                Box::pin(async move {
                    let $board = board?;
                    $answer
                })
            }
        }
    )*};
}

answers! {
    Enqueue => |board, alias, message| {
        let snapshots = enqueue(&board, &alias, vec![message.0]).await?;
        snapshots.into_iter().next().ok_or(Error::NoAnswer { alias: alias.to_string() })
    };
    EnqueueAll => |board, alias, message| enqueue(&board, &alias, message.0).await;
    GetResult => |board, alias, message| board.0.gate(&alias)?.get(message.0).await;
    Wait => |board, alias, message| board.0.gate(&alias)?.wait(message.id, message.until, message.timeout).await;
    List => |board, alias, message| board.0.gate(&alias)?.list(message.filter, message.page).await;
    Cancel => |board, alias, message| board.0.gate(&alias)?.change(message.0, Change::Cancel).await;
    Retry => |board, alias, message| board.0.gate(&alias)?.change(message.0, Change::Retry).await;
    Stats => |board, alias, _message| board.0.gate(&alias)?.stats().await;
    Pause => |board, alias, message| board.0.gate(&alias)?.control(Control::Pause(message.0)).await;
    Resume => |board, alias, message| board.0.gate(&alias)?.control(Control::Resume(message.0)).await;
    Subscribe => |board, _alias, message| {
        board.subscribe(message.0);
        Ok(())
    };
    Drain => |board, alias, message| Ok(board.0.gate(&alias)?.drain(message.0).await);
}

/// Enqueues calls at the backend of this reception, whatever alias they name.
async fn enqueue(board: &Callboard, alias: &str, mut calls: Vec<AnyCall>) -> Result<Vec<Snapshot>, Error> {
    if board.is_draining() {
        return Err(Error::Draining);
    }
    let gate = board.0.gate(alias)?;
    for call in &mut calls {
        call.options_mut().backend = Some(alias.to_owned().into());
        board.0.check(call, gate.as_ref())?;
    }
    gate.enqueue(calls, None, Room::Wait).answer().await
}
