//! Calls of which there shall be one, and requests that come twice.

use std::sync::Arc;

use callboard_actors::Callboard;
use callboard_tasks::{Clock, Data, Error, Idempotency, Phase, Unique, task, tasks};
use futures::future::join_all;

use super::{board_of, end, start};
use crate::support::{HOUR, Probe, START, SlowStore, until, within};

#[task(unique = true)]
async fn say(probe: Data<Probe>, line: String) {
    probe.say(line);
}

#[task]
async fn stay(probe: Data<Probe>, line: String) {
    let _inside = probe.enter();
    probe.gate.pass().await;
    probe.say(line);
}

async fn board(probe: &Arc<Probe>) -> Callboard {
    board_of(tasks![say, stay], probe, |backend| backend).await
}

fn once() -> Unique {
    Unique::by_key("once")
}

#[tokio::test]
async fn who_comes_second_gets_the_job_of_the_first() {
    let probe = Arc::default();
    let board = board(&probe).await;
    let first = board.enqueue(stay::with("first").unique(once())).await.unwrap();
    assert!(!first.is_duplicate());
    let second = board.enqueue(stay::with("second").unique(once())).await.unwrap();
    assert_eq!((second.id(), second.is_duplicate()), (first.id(), true));
    probe.gate.open();
    assert_eq!(within(5, end(second)).await.id(), first.id());
    assert_eq!(probe.lines(), ["first"]);
    let third = board.enqueue(stay::with("third").unique(once())).await.unwrap();
    assert_ne!(third.id(), first.id(), "the key is free since the end");
    within(5, end(third)).await;
}

#[tokio::test]
async fn a_unique_task_runs_once_for_the_same_arguments() {
    let probe = Arc::default();
    let clock = Clock::manual(START);
    let board = start(tasks![say, stay], &probe, callboard_actors::Backend::memory(), clock.clone()).await;
    let call = |line: &str| say::with(line).run_after(HOUR);
    let results = join_all(["a", "b", "a", "a"].map(|line| board.enqueue(call(line)))).await;
    let ids: Vec<_> = results.into_iter().map(|result| result.unwrap().id()).collect();
    assert_eq!((ids[0], ids[0]), (ids[2], ids[3]));
    assert_ne!(ids[0], ids[1]);
    clock.advance(HOUR);
    until("both have run", || probe.lines().len() == 2).await;
}

#[tokio::test]
async fn who_asks_to_be_told_is_told_who_is_in_the_way() {
    let probe = Arc::default();
    let board = board(&probe).await;
    let first = board.enqueue(stay::with("first").unique(once())).await.unwrap();
    let refused = board.enqueue(stay::with("second").unique(once().or_reject())).await;
    assert!(matches!(refused, Err(Error::UniqueConflict { existing }) if existing == first.id()), "{refused:?}");
    probe.gate.open();
    within(5, end(first)).await;
    assert_eq!(probe.lines(), ["first"]);
}

#[tokio::test]
async fn a_job_that_waits_takes_over_what_the_later_call_brings_and_runs_at_its_time() {
    let probe = Arc::default();
    let board = board(&probe).await;
    probe.gate.open();
    let first = board.enqueue(stay::with("old").unique(once()).run_after(HOUR)).await.unwrap();
    let second = board.enqueue(stay::with("new").unique(once().or_replace())).await.unwrap();
    assert_eq!((second.id(), second.is_duplicate()), (first.id(), true));
    within(5, end(second)).await;
    assert_eq!(probe.lines(), ["new"]);
}

#[tokio::test]
async fn in_a_bulk_the_second_of_a_key_is_the_first() {
    let probe = Arc::default();
    let board = board(&probe).await;
    probe.gate.open();
    let call = |line: &str| stay::with(line).unique(once()).erase();
    let results = board.enqueue_all(vec![call("a"), stay::with("b").erase(), call("c")]).await.unwrap();
    assert_eq!(results[0].id(), results[2].id());
    assert_eq!(results.iter().map(|result| result.is_duplicate()).collect::<Vec<_>>(), [false, false, true]);
    for result in results {
        within(5, end(result)).await;
    }
    let mut lines = probe.lines();
    lines.sort();
    assert_eq!(lines, ["a", "b"]);
}

#[tokio::test]
async fn a_finished_job_whose_key_is_held_cannot_be_retried() {
    let probe = Arc::default();
    let board = board(&probe).await;
    probe.gate.open();
    let first = end(board.enqueue(stay::with("first").unique(once())).await.unwrap()).await;
    probe.gate.close();
    let second = board.enqueue(stay::with("second").unique(once())).await.unwrap();
    let refused = board.retry(first.id()).await;
    assert!(matches!(refused, Err(Error::UniqueConflict { existing }) if existing == second.id()), "{refused:?}");
    probe.gate.open();
    within(5, end(second)).await;
    assert_eq!(board.retry(first.id()).await.unwrap().phase(), Phase::Ready);
}

#[tokio::test]
async fn a_request_that_comes_twice_makes_one_job_and_gets_the_first_answer() {
    let probe = Arc::default();
    let board = board(&probe).await;
    let call = || stay::with("once").idempotency(Idempotency::new("key", b"request"));
    let first = board.enqueue(call()).await.unwrap();
    probe.gate.open();
    let ended = within(5, end(first.clone())).await;
    let again = board.enqueue(call()).await.unwrap();
    assert_eq!((again.id(), again.is_replayed(), again.phase()), (first.id(), true, Phase::Ready));
    assert!(!first.is_replayed() && !ended.is_replayed());
    let other = board.enqueue(stay::with("other").idempotency(Idempotency::new("key", b"another"))).await;
    assert!(matches!(other, Err(Error::IdempotencyMismatch)), "{other:?}");
    assert_eq!(probe.lines(), ["once"]);
}

#[tokio::test]
async fn a_store_that_waits_gives_the_same_answers() {
    let probe: Arc<Probe> = Arc::default();
    let store = SlowStore::new(Clock::system());
    let backend = callboard_actors::Backend::store(Arc::clone(&store) as _);
    let board = start(tasks![say, stay], &probe, backend, Clock::system()).await;
    let callers = (0..20).map(|n| board.enqueue(stay::with(format!("{n}")).unique(once())));
    let results: Vec<_> = within(10, join_all(callers)).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().filter(|result| !result.is_duplicate()).count(), 1);
    assert!(results.iter().all(|result| result.id() == results[0].id()));
    let request = || stay::with("r").idempotency(Idempotency::new("key", b"request"));
    let requests: Vec<_> = within(10, join_all((0..20).map(|_| board.enqueue(request())))).await;
    let requests: Vec<_> = requests.into_iter().map(Result::unwrap).collect();
    assert_eq!(requests.iter().filter(|result| !result.is_replayed()).count(), 1);
    probe.gate.open();
    within(5, end(results[0].clone())).await;
    within(5, end(requests[0].clone())).await;
    assert_eq!(probe.lines().len(), 2);
}

#[tokio::test]
async fn several_calls_that_come_twice_make_their_jobs_once_and_get_the_first_answer() {
    let probe = Arc::default();
    let board = board(&probe).await;
    let request = |bytes| Idempotency::new("key", bytes);
    let calls = || ["a", "b", "c"].map(|line| say::with(line).erase()).to_vec();
    let first = board.enqueue_all_once(request(b"abc"), calls()).await.unwrap();
    for result in first.clone() {
        within(5, end(result)).await;
    }
    let ids = |results: &[callboard_tasks::TaskResult]| results.iter().map(|result| result.id()).collect::<Vec<_>>();
    let again = board.try_enqueue_all_once(request(b"abc"), calls()).await.unwrap();
    assert_eq!(ids(&again), ids(&first));
    assert!(again.iter().all(|result| result.is_replayed() && result.phase() == Phase::Ready));
    assert!(first.iter().all(|result| !result.is_replayed()));
    let other = board.enqueue_all_once(request(b"another"), calls()).await;
    assert!(matches!(other, Err(Error::IdempotencyMismatch)), "{other:?}");
    assert_eq!(probe.lines().len(), 3);

    let own = say::with("d").idempotency(request(b"abc")).erase();
    let refused = board.enqueue_all_once(request(b"abc"), vec![own]).await.unwrap_err().to_string();
    assert!(refused.contains("idempotency_key"), "{refused}");
    let empty = board.enqueue_all_once(Idempotency::new("", b""), calls()).await.unwrap_err().to_string();
    assert!(empty.contains("idempotency_key") && empty.contains("is empty"), "{empty}");
}

/// The store has kept the jobs and its answer does not come; who gives up and asks again gets the same ones.
#[tokio::test]
async fn a_request_whose_answer_is_lost_makes_its_jobs_once() {
    let probe: Arc<Probe> = Arc::default();
    let store = SlowStore::new(Clock::system());
    let backend = callboard_actors::Backend::store(Arc::clone(&store) as _);
    let board = start(tasks![say, stay], &probe, backend, Clock::system()).await;
    let request = || Idempotency::new("key", b"request");
    let one = || board.enqueue(say::with("one").idempotency(Idempotency::new("one", b"request")));
    let unique = || board.enqueue(stay::with("unique").unique(once()));
    let all = || board.enqueue_all_once(request(), ["a", "b"].map(|line| say::with(line).erase()).to_vec());
    let soon = std::time::Duration::from_millis(300);
    store.kept.close();
    assert!(tokio::time::timeout(soon, async { tokio::join!(one(), unique(), all()) }).await.is_err());
    store.kept.open();
    let (one, unique, all) = within(10, async { tokio::join!(one(), unique(), all()) }).await;
    let (one, unique, all) = (one.unwrap(), unique.unwrap(), all.unwrap());
    assert!(one.is_replayed() && unique.is_duplicate() && all.iter().all(|result| result.is_replayed()));
    probe.gate.open();
    within(5, end(unique)).await;
    within(5, end(one)).await;
    for result in all {
        within(5, end(result)).await;
    }
    let mut lines = probe.lines();
    lines.sort();
    assert_eq!(lines, ["a", "b", "one", "unique"]);
}

#[tokio::test]
async fn one_of_several_calls_has_no_request_of_its_own() {
    let probe = Arc::default();
    let board = board(&probe).await;
    let call = || say::with("a").idempotency(Idempotency::new("key", b"request")).erase();
    let refused = board.enqueue_all(vec![call(), call()]).await.unwrap_err().to_string();
    assert!(refused.contains("idempotency_key"), "{refused}");
    assert_eq!(probe.lines(), [""; 0]);
}
