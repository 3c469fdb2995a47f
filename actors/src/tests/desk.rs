//! What the threads of a queue share, seen from within: nothing is left behind.

use std::sync::Arc;

use callboard_tasks::{Clock, Phase, TaskContext, task, tasks};

use super::desk_of as desk;
use super::support::{SOON, SlowStore, until, within};
use crate::{Backend, Callboard};

#[task]
async fn give() -> u8 {
    7
}

#[task]
async fn listen(context: TaskContext) {
    context.cancelled().await;
}

#[tokio::test]
async fn a_cancellation_that_comes_too_late_leaves_nothing_behind() {
    let store = SlowStore::new(Clock::system());
    let backend = Backend::store(Arc::clone(&store) as _);
    let board = Callboard::builder().backend("default", backend).tasks(tasks![give, listen]).start().await.unwrap();
    store.finish.gate.close();
    let result = board.enqueue(give::with()).await.unwrap();
    until("its outcome is under way", || store.finish.asked() == 1).await;
    assert_eq!(board.cancel(result.id()).await.unwrap().phase(), Phase::Cancelling);
    store.finish.gate.open();
    let done = within(5, result.wait(SOON)).await.unwrap();
    assert_eq!((done.phase(), done.return_value()), (Phase::Successful, Ok(&7)));
    until("nothing is left of it", || desk(&board).cancels_asked() == 0).await;

    let told = board.enqueue(listen::with()).await.unwrap();
    board.cancel(told.id()).await.unwrap();
    assert_eq!(within(10, told.wait(SOON)).await.unwrap().phase(), Phase::Cancelled);
    until("nothing is left of it", || desk(&board).cancels_asked() == 0).await;
}
