//! The stream of ends: in order, whole, and harmless however slow its reader is.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, StreamHandler};
use callboard_actors::{Backend, Callboard, Ends, Lagged};
use callboard_tasks::{Change, Clock, Error, JobId, Phase, TaskResult, task, tasks};
use futures::future::FutureExt;
use parking_lot::Mutex;

use crate::support::{SlowStore, until, within};

#[task]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[task(max_attempts = 1)]
async fn fail() -> Result<(), String> {
    Err("it broke".into())
}

async fn board(backend: Backend) -> Callboard {
    Callboard::builder().backend("default", backend.workers(1)).tasks(tasks![add, fail]).start().await.unwrap()
}

async fn next(ends: &mut Ends) -> Result<TaskResult, Lagged> {
    within(10, ends.next()).await.unwrap()
}

async fn enqueue(board: &Callboard, n: i64) -> JobId {
    board.enqueue(add::with(n, n)).await.unwrap().id()
}

#[tokio::test]
async fn ends_come_in_their_order_and_as_they_are() {
    let board = board(Backend::memory()).await;
    let early = board.enqueue(add::with(0, 0)).await.unwrap();
    early.wait(Duration::from_secs(5)).await.unwrap();
    let mut ends = board.ends("default").await.unwrap();
    let mut ids = Vec::new();
    for n in 0..250 {
        ids.push(enqueue(&board, n).await);
    }
    let mut told = Vec::new();
    for _ in &ids {
        told.push(next(&mut ends).await.unwrap());
    }
    let times: Vec<_> = told.iter().map(|end| end.finished_at().unwrap()).collect();
    assert!(times.is_sorted());
    assert_eq!(told[249].backend(), "default");
    let mut heard: Vec<_> = told.iter().map(TaskResult::id).collect();
    heard.sort_unstable();
    ids.sort_unstable();
    assert_eq!(heard, ids);
    let fails = board.enqueue(fail::with()).await.unwrap();
    let end = next(&mut ends).await.unwrap();
    assert_eq!((end.id(), end.phase()), (fails.id(), Phase::Failed));
}

/// Two boards on one store, as two processes have it.
#[tokio::test]
async fn ends_of_another_board_come_too() {
    let store = SlowStore::new(Clock::system());
    let backend = || Backend::store(Arc::clone(&store) as _);
    let (runs, hears) = (board(backend()).await, board(backend().enqueue_only()).await);
    let mut streams = [hears.ends("default").await.unwrap(), hears.ends("default").await.unwrap()];
    let id = enqueue(&runs, 1).await;
    for stream in &mut streams {
        assert_eq!(next(stream).await.unwrap().id(), id);
    }
}

#[tokio::test]
async fn who_begins_later_hears_of_what_ends_later() {
    let board = board(Backend::memory()).await;
    let mut first = board.ends("default").await.unwrap();
    let one = enqueue(&board, 1).await;
    assert_eq!(next(&mut first).await.unwrap().id(), one);
    let mut second = board.ends("default").await.unwrap();
    let two = enqueue(&board, 2).await;
    assert_eq!(next(&mut second).await.unwrap().id(), two);
    assert_eq!(next(&mut first).await.unwrap().id(), two);
}

/// Nothing but the part under way is held here: the rest stands in the store.
#[tokio::test]
async fn a_slow_reader_misses_nothing_that_the_store_keeps() {
    const JOBS: i64 = 3_000;
    let board = board(Backend::memory()).await;
    let mut ends = board.ends("default").await.unwrap();
    board.enqueue_all((0..JOBS).map(|n| add::with(n, n).erase()).collect()).await.unwrap();
    within(20, board.until_idle()).await;
    for n in 0..JOBS {
        let end = next(&mut ends).await.unwrap();
        assert_eq!(end.return_value(), Ok(&serde_json::json!(2 * n)));
    }
    assert!(ends.next().now_or_never().is_none());
}

#[tokio::test]
async fn jobs_that_are_gone_are_counted() {
    let board = board(Backend::memory()).await;
    let mut ends = board.ends("default").await.unwrap();
    let mut ids = Vec::new();
    for n in 0..4 {
        let result = board.enqueue(add::with(n, n)).await.unwrap();
        ids.push(result.wait(Duration::from_secs(5)).await.unwrap().id());
    }
    for id in &ids[1..3] {
        board.change(*id, Change::Delete).await.unwrap();
    }
    assert_eq!(next(&mut ends).await.unwrap().id(), ids[0]);
    assert_eq!(next(&mut ends).await.unwrap_err(), Lagged(2));
    assert_eq!(next(&mut ends).await.unwrap().id(), ids[3]);
}

#[tokio::test]
async fn a_store_that_fails_for_a_while_costs_no_end() {
    let store = SlowStore::new(Clock::system());
    let board = board(Backend::store(Arc::clone(&store) as _)).await;
    let mut ends = board.ends("default").await.unwrap();
    store.follow.fail(2);
    let id = enqueue(&board, 1).await;
    assert_eq!(next(&mut ends).await.unwrap().id(), id);
    store.get.fail(1);
    let id = enqueue(&board, 2).await;
    assert_eq!(next(&mut ends).await.unwrap().id(), id);
}

#[tokio::test]
async fn while_nothing_happens_the_store_is_asked_once_a_second_for_all_streams() {
    let store = SlowStore::new(Clock::system());
    let board = board(Backend::store(Arc::clone(&store) as _)).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(board.ends("default").await.unwrap());
    }
    let before = store.follow.asked();
    let nothing = futures::future::select_all(streams.iter_mut().map(|ends| Box::pin(ends.next())));
    assert!(tokio::time::timeout(Duration::from_millis(4_500), nothing).await.is_err());
    let asked = store.follow.asked() - before;
    // Once when each begins, and then four times for all.
    assert!((3..=20 + 6).contains(&asked), "asked {asked} times");
}

#[tokio::test]
async fn a_stream_ends_with_its_board() {
    let stopped = board(Backend::memory()).await;
    let mut ends = stopped.ends("default").await.unwrap();
    let result = stopped.enqueue(add::with(1, 1)).await.unwrap();
    let id = result.wait(Duration::from_secs(5)).await.unwrap().id();
    stopped.shutdown().await;
    assert_eq!(next(&mut ends).await.unwrap().id(), id, "what ended before is told");
    assert!(within(5, ends.next()).await.is_none());

    let dropped = board(Backend::memory()).await;
    let mut ends = dropped.ends("default").await.unwrap();
    drop(dropped);
    assert!(within(5, ends.next()).await.is_none());
}

#[tokio::test]
async fn a_backend_that_keeps_no_jobs_says_so() {
    let board = board(Backend::immediate()).await;
    let error = board.ends("default").await.unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    assert!(matches!(board.ends("other").await.unwrap_err(), Error::UnknownBackend { .. }));
}

/// An actor that writes down what it hears.
struct Ledger(Arc<Mutex<Vec<JobId>>>, Option<Ends>);

impl Actor for Ledger {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let ends = self.1.take().unwrap();
        ctx.add_stream(ends);
    }
}

impl StreamHandler<Result<TaskResult, Lagged>> for Ledger {
    fn handle(&mut self, end: Result<TaskResult, Lagged>, _: &mut Self::Context) {
        self.0.lock().push(end.unwrap().id());
    }
}

#[actix::test]
async fn an_actor_hears_of_ends_as_a_stream() {
    let board = board(Backend::memory()).await;
    let heard = Arc::default();
    Ledger(Arc::clone(&heard), Some(board.ends("default").await.unwrap())).start();
    let ids = [enqueue(&board, 1).await, enqueue(&board, 2).await];
    until("both were heard", || heard.lock().len() == 2).await;
    assert!(ids.iter().all(|id| heard.lock().contains(id)));
}
