//! Inside other people's programs: any runtime, or none.

use std::future::Future;
use std::time::Duration;

use callboard_actors::{Backend, Callboard, Cancel, Enqueue, EnqueueAll, GetResult, List, Stats, Wait};
use callboard_tasks::{Change, Error, Filter, JobId, Page, Status, WaitFor, task, tasks};

use crate::support::{SOON, START, within};

#[task]
async fn add(a: i64, b: i64) -> i64 {
    tokio::time::sleep(Duration::from_millis(1)).await;
    a + b
}

#[task]
fn add_blocking(a: i64, b: i64) -> i64 {
    a + b
}

async fn start() -> Callboard {
    let builder = Callboard::builder().memory().backend("at_once", Backend::immediate());
    builder.tasks(tasks![add, add_blocking]).start().await.unwrap()
}

/// Start, enqueue, wait, and stop.
async fn use_a_board() {
    let board = start().await;
    let sum = board.enqueue(add::with(2, 3)).await.unwrap();
    assert_eq!(sum.wait(SOON).await.unwrap().return_value(), Ok(&5));
    let sum = board.enqueue(add_blocking::with(2, 4)).await.unwrap();
    assert_eq!(sum.wait(SOON).await.unwrap().return_value(), Ok(&6));
    let sum = board.enqueue(add::with(2, 5).backend("at_once")).await.unwrap();
    assert_eq!(sum.return_value(), Ok(&7));
    let late = board.enqueue(add::with(1, 1).run_after("1h")).await.unwrap();
    assert!(late.wait(Duration::from_millis(5)).await.is_err());
    assert!(board.health().await.is_ready());
    board.shutdown().await;
}

#[test]
fn inside_an_actix_system() {
    // What `#[actix_web::main]` makes of `main`.
    actix_rt::System::new().block_on(within(20, use_a_board()));
}

#[test]
fn inside_an_actix_system_from_one_of_its_arbiters() {
    let system = actix_rt::System::new();
    system.block_on(async {
        let (tell, told) = tokio::sync::oneshot::channel();
        let arbiter = actix_rt::Arbiter::new();
        arbiter.spawn(async move {
            use_a_board().await;
            tell.send(()).unwrap();
        });
        within(20, told).await.unwrap();
        // The board had a system of its own: this one is still there.
        assert!(arbiter.spawn_fn(|| {}));
        arbiter.stop();
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inside_a_runtime_of_several_threads() {
    within(20, tokio::spawn(use_a_board())).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn inside_a_runtime_of_one_thread() {
    within(20, use_a_board()).await;
}

#[test]
fn without_a_runtime_by_an_executor_alone() {
    futures::executor::block_on(use_a_board());
}

#[test]
fn without_any_async_code_by_the_blocking_handle() {
    let board = futures::executor::block_on(start());
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let board = board.blocking();
            std::thread::spawn(move || {
                let sum = board.enqueue(add::with(n, 1)).unwrap();
                let sum = board.wait(sum, SOON).unwrap();
                assert_eq!(sum.return_value(), Ok(&(n + 1)));
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let report = board.blocking().shutdown();
    assert_eq!(report.abandoned, 0);
}

#[test]
fn a_board_outlives_the_runtime_that_started_it() {
    let first = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let board = first.block_on(start());
    drop(first);
    let second = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    second.block_on(async {
        let sum = board.enqueue(add::with(4, 5)).await.unwrap();
        assert_eq!(within(10, sum.wait(SOON)).await.unwrap().return_value(), Ok(&9));
    });
}

#[test]
fn a_board_can_be_dropped_anywhere() {
    let board = futures::executor::block_on(start());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Inside a runtime, where nobody may block, and inside an actix system.
    runtime.block_on(async { drop(board) });
    actix_rt::System::new().block_on(async { drop(start().await) });
    let board = futures::executor::block_on(start());
    std::thread::spawn(move || drop(board)).join().unwrap();
}

fn assert_send<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test]
async fn every_future_can_travel_between_threads() {
    fn assert_shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let board = assert_send(Callboard::builder().memory().tasks(tasks![add]).start()).await.unwrap();
    assert_shared(&board);
    assert_shared(&board.blocking());
    let mut result = assert_send(board.enqueue(add::with(1, 2))).await.unwrap();
    assert_shared(&result);
    assert_send(board.enqueue_any(add::with(1, 2).erase())).await.unwrap();
    assert_send(board.try_enqueue_any(add::with(1, 2).erase())).await.unwrap();
    assert_send(board.enqueue_all(vec![add::with(1, 2).erase()])).await.unwrap();
    assert_send(board.wait(result.id(), WaitFor::Finished, SOON)).await.unwrap();
    assert_send(result.refresh()).await.unwrap();
    assert_send(result.clone().wait(SOON)).await.unwrap();
    assert_send(board.result::<add>(result.id())).await.unwrap();
    assert_send(board.get(result.id())).await.unwrap();
    assert_send(board.list("default", Filter::default(), Page { limit: 1, before: None })).await.unwrap();
    assert_send(board.retry(result.id())).await.unwrap();
    assert_send(board.change(result.id(), Change::Cancel)).await.ok();
    assert_send(board.cancel(result.id())).await.ok();
    assert_send(board.pause("default", "default")).await.unwrap();
    assert_send(board.resume("default", "default")).await.unwrap();
    assert_send(board.stats("default")).await.unwrap();
    assert_send(board.published()).await.unwrap();
    assert_send(board.call_named("add", "[1, 2]")).await.unwrap();
    assert_send(board.health()).await;
    assert_send(board.shutdown()).await;
}

#[actix::test]
async fn an_embedding_actor_system_speaks_with_a_backend_by_messages() {
    let board = start().await;
    let enqueue = board.recipient::<Enqueue>("default").unwrap();
    let placed = within(5, enqueue.send(Enqueue::new(add::with(1, 2)))).await.unwrap().unwrap();
    assert_eq!((placed.backend.as_ref(), placed.job.status()), ("default", Status::Ready));
    let id = placed.job.id();
    let wait = Wait { id, until: WaitFor::Finished, timeout: SOON };
    let ended = board.recipient::<Wait>("default").unwrap().send(wait).await.unwrap().unwrap();
    assert_eq!(ended.job.status(), Status::Successful);
    let got = board.recipient::<GetResult>("default").unwrap().send(GetResult(id)).await.unwrap().unwrap();
    assert_eq!(got, ended);
    let several = EnqueueAll(vec![add::with(3, 4).erase(), add::with(5, 6).erase()]);
    let several = board.recipient::<EnqueueAll>("default").unwrap().send(several).await.unwrap().unwrap();
    assert_eq!(several.len(), 2);
    let list = List { filter: Filter::default(), page: Page { limit: 10, before: None } };
    let list = board.recipient::<List>("default").unwrap().send(list).await.unwrap().unwrap();
    assert_eq!(list.jobs.len(), 3);
    let stats = board.recipient::<Stats>("default").unwrap().send(Stats).await.unwrap().unwrap();
    assert_eq!(stats.workers.len(), 1);
    let refused = board.recipient::<Cancel>("default").unwrap().send(Cancel(id)).await.unwrap();
    assert!(matches!(refused, Err(Error::InvalidMove(_))));
}

#[actix::test]
async fn a_message_is_checked_as_a_call_through_the_handle_is() {
    let board = start().await;
    let enqueue = board.recipient::<Enqueue>("default").unwrap();
    let refused = enqueue.send(Enqueue::new(add::with(1, 2).queue("nope"))).await.unwrap();
    assert!(matches!(refused, Err(Error::InvalidTask(_))));
    // The recipient says where it goes, whatever the call says.
    let placed = enqueue.send(Enqueue::new(add::with(1, 2).backend("at_once"))).await.unwrap().unwrap();
    assert_eq!(placed.backend.as_ref(), "default");
    let at_once = board.recipient::<Enqueue>("at_once").unwrap();
    let placed = at_once.send(Enqueue::new(add::with(1, 2))).await.unwrap().unwrap();
    assert_eq!((placed.backend.as_ref(), placed.job.status()), ("at_once", Status::Successful));
    assert!(matches!(board.recipient::<Enqueue>("nowhere"), Err(Error::UnknownBackend { .. })));
    let got = board.recipient::<GetResult>("at_once").unwrap().send(GetResult(JobId::new(START))).await.unwrap();
    assert!(matches!(got, Err(Error::Unsupported { .. })));
}

#[actix::test]
async fn a_message_is_refused_once_the_board_drains_or_is_gone() {
    let board = start().await;
    let enqueue = board.recipient::<Enqueue>("default").unwrap();
    within(10, board.shutdown()).await;
    match within(5, enqueue.send(Enqueue::new(add::with(1, 2)))).await {
        Ok(answer) => assert!(matches!(answer, Err(Error::Draining))),
        Err(closed) => assert!(matches!(closed, actix::MailboxError::Closed)),
    }
    drop(board);
    let board = start().await;
    let enqueue = board.recipient::<Enqueue>("default").unwrap();
    drop(board);
    match within(5, enqueue.send(Enqueue::new(add::with(1, 2)))).await {
        Ok(answer) => assert!(matches!(answer, Err(Error::Draining))),
        Err(closed) => assert!(matches!(closed, actix::MailboxError::Closed)),
    }
}
