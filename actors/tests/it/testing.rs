//! The kit for tests of programs that enqueue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use callboard_actors::testing::{self, TestBoard};
use callboard_actors::{assert_enqueued, refute_enqueued};
use callboard_tasks::{CancelReason, Data, FailureKind, Phase, Stop, TaskContext, task, tasks};

use crate::support::{HOUR, Probe};

#[task(max_attempts = 2, backoff = "10s")]
async fn note(probe: Data<Probe>, line: String) -> Result<(), String> {
    probe.say(&line);
    if line == "bad" { Err("as it should".into()) } else { Ok(()) }
}

#[task]
async fn chain(context: TaskContext, lines: u32) -> Result<u32, Stop> {
    if context.is_cancelled() {
        return Err(Stop::abort("told to stop"));
    }
    for line in 0..lines {
        context.log(format!("line {line}"));
        context.progress(u64::from(line), u64::from(lines));
        context.enqueue(note::with(line.to_string())).await?;
    }
    if context.attempt() == 1 { Err(Stop::snooze(HOUR)) } else { Ok(lines) }
}

#[task]
fn double(n: u64) -> u64 {
    2 * n
}

async fn manual(probe: &Arc<Probe>) -> TestBoard {
    let probe = Arc::clone(probe);
    TestBoard::manual(move |builder| builder.tasks(tasks![note, chain, double]).data_arc(Arc::clone(&probe))).await
}

fn panics(work: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(work)).unwrap_err();
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| panic.downcast_ref::<&str>().unwrap().to_string())
}

#[tokio::test]
async fn what_was_enqueued_is_found_by_its_call_and_whatever_that_says() {
    let probe: Arc<Probe> = Arc::default();
    let given = Arc::clone(&probe);
    let recording =
        TestBoard::recording(move |builder| builder.tasks(tasks![note, chain, double]).data_arc(Arc::clone(&given)))
            .await;
    for board in [recording, manual(&probe).await] {
        board.enqueue(note::with("a").queue("mail").priority(5).tag("x").run_after(HOUR)).await.unwrap();
        assert_enqueued!(board, note::with("a"));
        assert_enqueued!(board, note::with("a").queue("mail").priority(5).tag("x").run_after(HOUR).max_attempts(2));
        for other in [
            note::with("b"),
            note::with("a").queue("default"),
            note::with("a").priority(0),
            note::with("a").tag("y"),
            note::with("a").run_after(2 * HOUR),
            note::with("a").max_attempts(3),
        ] {
            refute_enqueued!(board, other);
        }
        refute_enqueued!(board, double::with(1));
        assert_eq!((board.enqueued().len(), board.enqueued_of::<double>().len()), (1, 0));
        let missing = panics(|| assert_enqueued!(board, double::with(7)));
        assert!(missing.contains("this was not enqueued: ") && missing.contains("double({\"n\":7})"), "{missing}");
        assert!(missing.contains("note({\"line\":\"a\"}) in \"mail\", priority 5 after "), "{missing}");
        let there = panics(|| refute_enqueued!(board, note::with("a")));
        assert!(there.contains("this was enqueued: "), "{there}");
    }
    assert!(probe.lines().is_empty(), "nothing ran");
}

#[tokio::test]
async fn a_drain_runs_what_is_due_by_the_clock_of_the_test() {
    let probe: Arc<Probe> = Arc::default();
    let board = manual(&probe).await;
    board.enqueue(note::with("now")).await.unwrap();
    board.enqueue(note::with("later").run_after(HOUR)).await.unwrap();
    let bad = board.enqueue(note::with("bad")).await.unwrap();
    let chain = board.enqueue(chain::with(2)).await.unwrap();
    assert!(probe.lines().is_empty());
    assert_eq!(board.drain().await, 4, "now, bad, and the two that a snooze left behind");
    assert_eq!(board.drain().await, 0);
    assert_eq!(board.get(bad.id()).await.unwrap().phase(), Phase::RetryWait);
    board.advance(Duration::from_secs(11));
    assert_eq!(board.drain().await, 1);
    assert_eq!(board.get(bad.id()).await.unwrap().phase(), Phase::Failed);
    board.advance(HOUR);
    board.drain().await;
    assert_eq!(probe.count("later"), 1);
    assert_eq!(board.get(chain.id()).await.unwrap().phase(), Phase::RetryWait, "it snoozes in each first attempt");
}

#[tokio::test]
async fn an_immediate_board_gives_the_end() {
    let board = TestBoard::immediate(|builder| builder.tasks(tasks![double]).data(Probe::default())).await;
    assert_eq!(board.enqueue(double::with(21)).await.unwrap().return_value(), Ok(&42));
}

#[tokio::test]
async fn one_call_runs_alone_with_a_made_up_attempt() {
    assert_eq!(testing::run(double::with(4)).await.result.unwrap(), 8);
    let ran = testing::run(chain::with(2)).attempt(2).await;
    assert_eq!(ran.result.unwrap(), 2);
    assert_eq!(ran.logs, ["line 0", "line 1"]);
    assert_eq!(ran.progress.iter().map(|progress| progress.done).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(ran.enqueued, [note::with("0").erase(), note::with("1").erase()]);
    let snoozed = testing::run(chain::with(0)).await.result.unwrap_err();
    assert_eq!(snoozed.kind, FailureKind::Snooze(HOUR));
    let told = testing::run(chain::with(1)).cancelled(CancelReason::Shutdown).await;
    assert_eq!((told.result.unwrap_err().message.as_str(), told.enqueued.len()), ("told to stop", 0));
    let lacking = testing::run(note::with("x")).await.result.unwrap_err();
    assert!(lacking.message.contains("Probe"), "{lacking:?}");
}
