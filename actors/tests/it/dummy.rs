//! The dummy backend: what was enqueued is written down, and nothing runs.

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{Error, Phase, Status, task, tasks};
use log::Level;

use crate::support::{logs, within};

#[task]
async fn add(a: i64, b: i64) -> i64 {
    unreachable!("a dummy runs nothing: {a} + {b}")
}

async fn board() -> Callboard {
    logs::listen();
    let builder = Callboard::builder().backend("default", Backend::dummy().queues(["default", "math"]));
    builder.tasks(tasks![add]).start().await.unwrap()
}

// Django 72
#[tokio::test]
async fn calls_are_written_down_in_their_order_and_stay_ready() {
    let board = board().await;
    let dummy = board.dummy("default").unwrap();
    assert!(dummy.results().is_empty());
    let first = board.enqueue(add::with(1, 2)).await.unwrap();
    let second = board.enqueue(add::with(3, 4).queue("math").priority(7)).await.unwrap();
    assert_eq!((first.status(), first.phase(), first.attempts()), (Status::Ready, Phase::Ready, 0));
    let results = dummy.results();
    assert_eq!(results.iter().map(|result| result.id()).collect::<Vec<_>>(), [first.id(), second.id()]);
    assert_eq!(results[1].args(), serde_json::json!({"a": 3, "b": 4}));
    assert_eq!((results[1].queue(), results[1].priority(), results[1].backend()), ("math", 7, "default"));
    assert!(results[0].enqueued_at() <= results[1].enqueued_at());
    assert_eq!((results[0].started_at(), results[0].finished_at()), (None, None));
}

// Django 72
#[tokio::test]
async fn several_calls_at_once_are_written_down_in_their_order() {
    let board = board().await;
    let calls = (0..5).map(|n| add::with(n, n).erase()).collect();
    let ids: Vec<_> = board.enqueue_all(calls).await.unwrap().iter().map(|result| result.id()).collect();
    let written: Vec<_> = board.dummy("default").unwrap().results().iter().map(|result| result.id()).collect();
    assert_eq!(written, ids);
}

// Django 73
#[tokio::test]
async fn what_was_written_down_belongs_to_the_board() {
    // Results have no setters here, so what Django must test holds by construction: a list is a copy as well.
    let board = board().await;
    board.enqueue(add::with(1, 2)).await.unwrap();
    let mut results = board.dummy("default").unwrap().results();
    results.clear();
    assert_eq!(board.dummy("default").unwrap().results().len(), 1);
}

// Django 74
#[tokio::test]
async fn a_list_that_was_cleared_is_empty_and_its_ids_are_unknown() {
    let board = board().await;
    let dummy = board.dummy("default").unwrap();
    let result = board.enqueue(add::with(1, 2)).await.unwrap();
    assert_eq!(board.get(result.id()).await.unwrap().snapshot(), result.snapshot());
    dummy.clear();
    assert!(dummy.results().is_empty());
    assert!(matches!(board.get(result.id()).await, Err(Error::NotFound(id)) if id == result.id()));
}

// Django 75
#[tokio::test]
async fn an_enqueue_is_logged_once_at_debug() {
    let board = board().await;
    let result = board.enqueue(add::with(1, 2)).await.unwrap();
    let logged = logs::about(result.id());
    assert!(
        matches!(&logged[..], [line] if line.level == Level::Debug && line.text.contains("task enqueued")),
        "{logged:?}"
    );
}

// Django 76
#[tokio::test]
async fn the_list_is_seen_from_every_thread() {
    // Django's is of one thread; ours belongs to the board. Looking results up is not promised all the same: a clone of
    // the handle elsewhere may be of another board.
    let board = board().await;
    let result = board.enqueue(add::with(1, 2)).await.unwrap();
    let elsewhere = board.clone();
    let seen = std::thread::spawn(move || elsewhere.dummy("default").unwrap().results());
    assert_eq!(seen.join().unwrap()[0].id(), result.id());
    assert!(!board.backends()[0].supports.get_result);
}

#[tokio::test]
async fn calls_are_checked_as_anywhere() {
    let board = board().await;
    assert!(matches!(board.enqueue(add::with(1, 2).queue("nope")).await, Err(Error::InvalidTask(_))));
    assert!(matches!(board.enqueue(add::with(1, 2).priority(101)).await, Err(Error::InvalidTask(_))));
    assert!(board.dummy("default").unwrap().results().is_empty());
}

#[tokio::test]
async fn a_call_for_later_is_written_down_as_scheduled() {
    let board = board().await;
    let result = board.enqueue(add::with(1, 2).run_after("1h")).await.unwrap();
    assert_eq!(result.phase(), Phase::Scheduled);
}

#[tokio::test]
async fn what_it_does_not_do_it_refuses() {
    let board = board().await;
    let mut result = board.enqueue(add::with(1, 2)).await.unwrap();
    assert!(matches!(result.refresh().await, Err(Error::Unsupported { .. })));
    assert!(matches!(board.pause("default", "default").await, Err(Error::Unsupported { .. })));
    assert!(matches!(board.stats("default").await, Err(Error::Unsupported { .. })));
    assert!(matches!(board.cancel(result.id()).await, Err(Error::Unsupported { .. })));
    let report = within(5, board.shutdown()).await;
    assert_eq!(report, callboard_actors::ShutdownReport::default());
}

#[tokio::test]
async fn only_a_dummy_has_a_list() {
    let builder = Callboard::builder().memory().backend("dummy", Backend::dummy()).tasks(tasks![add]);
    let board = builder.start().await.unwrap();
    assert!(board.dummy("default").is_none() && board.dummy("nowhere").is_none());
    board.enqueue(add::with(1, 2).backend("dummy")).await.unwrap();
    assert_eq!(board.dummy("dummy").unwrap().results().len(), 1);
}
