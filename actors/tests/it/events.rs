//! Events and log lines: in order, after the fact, and harmless whoever listens.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler};
use callboard_actors::{Backend, Callboard, EventMessage, TaskEnqueued, TaskFinished, TaskStarted};
use callboard_tasks::{Clock, Data, Error, JobId, Phase, Status, TaskResult, task, tasks};
use futures::future::join_all;
use log::Level;
use parking_lot::Mutex;

use crate::support::{HOUR, Probe, SOON, START, SlowStore, logs, until, within};

#[task]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[task(max_attempts = 1)]
async fn fail() -> Result<(), String> {
    Err("it broke".into())
}

#[task(max_attempts = 2, backoff = "1h")]
async fn fail_twice() -> Result<(), String> {
    Err("again".into())
}

#[task]
async fn stay(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass().await;
}

/// What was heard, in order.
type Heard = Arc<Mutex<Vec<(&'static str, TaskResult)>>>;

/// Writes down what it hears, and panics when it hears what it was told to panic at.
struct Ear {
    heard: Heard,
    panics_at: &'static str,
}

impl Actor for Ear {
    type Context = Context<Self>;
}

macro_rules! hears {
    ($($message:ident: $name:literal),*) => {$(
        impl Handler<$message> for Ear {
            type Result = ();

            fn handle(&mut self, message: $message, _: &mut Context<Self>) {
                self.heard.lock().push(($name, message.0));
                if self.panics_at == $name {
                    // Without a word on the console.
                    std::panic::resume_unwind(Box::new("a receiver that panics"));
                }
            }
        }
    )*};
}

hears!(TaskEnqueued: "enqueued", TaskStarted: "started", TaskFinished: "finished");

/// A receiver on the test's own thread that hears everything.
fn listen(board: &Callboard, panics_at: &'static str) -> Heard {
    let heard = Heard::default();
    let ear = Ear { heard: Arc::clone(&heard), panics_at }.start();
    board.subscribe::<TaskEnqueued>(ear.clone().recipient());
    board.subscribe::<TaskStarted>(ear.clone().recipient());
    board.subscribe::<TaskFinished>(ear.recipient());
    heard
}

fn kinds(heard: &Heard, id: JobId) -> Vec<&'static str> {
    heard.lock().iter().filter(|(_, result)| result.id() == id).map(|(kind, _)| *kind).collect()
}

async fn board(backend: Backend) -> Callboard {
    logs::listen();
    let builder = Callboard::builder().backend("default", backend).data(Probe::default());
    builder.tasks(tasks![add, fail, fail_twice, stay]).start().await.unwrap()
}

const ALL: [&str; 3] = ["enqueued", "started", "finished"];

// Django 77
#[actix::test]
async fn a_success_is_told_in_three_events_in_their_order() {
    for backend in [Backend::immediate(), Backend::memory()] {
        let board = board(backend).await;
        let heard = listen(&board, "");
        let result = board.enqueue(add::with(1, 2)).await.unwrap();
        let id = result.id();
        until("all three were heard", || heard.lock().len() == 3).await;
        assert_eq!(kinds(&heard, id), ALL);
        let heard = heard.lock();
        let [(_, enqueued), (_, started), (_, finished)] = &heard[..] else { unreachable!() };
        assert_eq!((enqueued.status(), enqueued.started_at(), enqueued.attempts()), (Status::Ready, None, 0));
        assert_eq!((started.status(), started.attempts(), started.worker_ids().len()), (Status::Running, 1, 1));
        assert!(started.started_at().is_some() && started.finished_at().is_none());
        assert_eq!((finished.status(), finished.worker_ids()), (Status::Successful, started.worker_ids()));
        assert!(finished.finished_at().is_some());
        assert_eq!(finished.return_value(), Ok(&serde_json::json!(3)));
        assert!(heard.iter().all(|(_, result)| result.backend() == "default"));
    }
}

// Django 77
#[actix::test]
async fn the_events_of_each_job_come_in_their_order_however_many_there_are() {
    let board = board(Backend::memory().workers(2)).await;
    let heard = listen(&board, "");
    let mut ids = Vec::new();
    for n in 0..300 {
        ids.push(board.enqueue(add::with(n, n)).await.unwrap().id());
    }
    let more = board.enqueue_all((0..300).map(|n| add::with(n, n).erase()).collect()).await.unwrap();
    ids.extend(more.iter().map(TaskResult::id));
    until("all were heard", || heard.lock().len() == 3 * 600).await;
    for id in ids {
        assert_eq!(kinds(&heard, id), ALL);
    }
}

// Django 77
#[actix::test]
async fn a_job_that_is_claimed_before_its_enqueuer_hears_of_it_is_told_as_enqueued_first() {
    let store = SlowStore::new(Clock::system());
    let board = board(Backend::store(Arc::clone(&store) as _)).await;
    let heard = listen(&board, "");
    // It is kept, and claimed, and run, and the answer to the enqueue is still on its way.
    board.pause("default", "default").await.unwrap();
    store.kept.close();
    let enqueueing = tokio::task::spawn_local({
        let board = board.clone();
        async move { board.enqueue(add::with(1, 2)).await }
    });
    until("it is on its way", || store.enqueue.asked() == 1).await;
    board.resume("default", "default").await.unwrap();
    until("it has run", || heard.lock().len() == 3).await;
    store.kept.open();
    let placed = within(5, enqueueing).await.unwrap().unwrap();
    assert_eq!((kinds(&heard, placed.id()), placed.status()), (ALL.to_vec(), Status::Ready));
}

// Django 77
#[actix::test]
async fn an_event_comes_only_when_it_can_be_looked_up() {
    let board = board(Backend::memory()).await;
    let heard = listen(&board, "");
    for n in 0..50 {
        let result = board.enqueue(add::with(n, n)).await.unwrap();
        until("its end was heard", || kinds(&heard, result.id()).contains(&"finished")).await;
        assert_eq!(board.get(result.id()).await.unwrap().status(), Status::Successful);
    }
}

// Django 78
#[actix::test]
async fn a_failure_is_told_with_its_error() {
    for backend in [Backend::immediate(), Backend::memory()] {
        let board = board(backend).await;
        let heard = listen(&board, "");
        let id = board.enqueue(fail::with()).await.unwrap().id();
        until("all three were heard", || heard.lock().len() == 3).await;
        assert_eq!(kinds(&heard, id), ALL);
        let finished = heard.lock()[2].1.clone();
        assert_eq!((finished.status(), finished.errors()[0].message.as_str()), (Status::Failed, "it broke"));
    }
}

#[actix::test]
async fn each_attempt_is_told_and_the_end_once() {
    logs::listen();
    let clock = Clock::manual(START);
    let builder = Callboard::builder().memory().clock(clock.clone()).tasks(tasks![fail_twice]);
    let board = builder.start().await.unwrap();
    let heard = listen(&board, "");
    let result = board.enqueue(fail_twice::with()).await.unwrap();
    until("the first attempt has failed", || {
        clock.advance(HOUR);
        kinds(&heard, result.id()).len() == 4
    })
    .await;
    assert_eq!(kinds(&heard, result.id()), ["enqueued", "started", "started", "finished"]);
    let attempts: Vec<_> = heard.lock().iter().map(|(_, result)| result.attempts()).collect();
    assert_eq!(attempts, [0, 1, 2, 2]);
}

#[actix::test]
async fn a_job_that_is_cancelled_while_it_waits_is_told_as_finished() {
    let board = board(Backend::memory()).await;
    let heard = listen(&board, "");
    let result = board.enqueue(add::with(1, 2).run_after("1h")).await.unwrap();
    board.cancel(result.id()).await.unwrap();
    until("its end was heard", || heard.lock().len() == 2).await;
    assert_eq!(kinds(&heard, result.id()), ["enqueued", "finished"]);
    assert_eq!(heard.lock()[1].1.phase(), Phase::Cancelled);
}

// Django 79
#[tokio::test]
async fn each_step_is_logged_at_its_level() {
    for backend in [Backend::immediate(), Backend::memory()] {
        let board = board(backend).await;
        let id = board.enqueue(add::with(1, 2)).await.unwrap().id();
        until("all of it is logged", || logs::about(id).len() >= 3).await;
        let logged: Vec<_> = logs::about(id).into_iter().map(|line| (line.level, line.text)).collect();
        let levels: Vec<_> = logged.iter().map(|(level, _)| *level).collect();
        assert_eq!(levels, [Level::Debug, Level::Info, Level::Info], "{logged:?}");
        for ((_, text), expected) in logged.iter().zip(["task enqueued", "task started", "task finished"]) {
            assert!(text.contains(expected) && text.contains("it.add"), "{text}");
        }

        let id = board.enqueue(fail::with()).await.unwrap().id();
        until("all of it is logged", || logs::about(id).len() >= 3).await;
        let logged: Vec<_> = logs::about(id).into_iter().map(|line| (line.level, line.text)).collect();
        assert_eq!(logged[2].0, Level::Error, "{logged:?}");
        assert!(logged[2].1.contains("it broke") && logged[2].1.contains("FAILED"), "{logged:?}");
    }
}

// Django 80
#[tokio::test]
async fn the_line_of_a_success_speaks_of_no_error() {
    let board = board(Backend::memory()).await;
    let id = board.enqueue(add::with(1, 2)).await.unwrap().id();
    until("its end is logged", || logs::about(id).len() >= 3).await;
    let text = logs::about(id).remove(2).text;
    assert!(!text.contains("error") && !text.contains("None") && text.contains("SUCCESSFUL"), "{text}");
}

// Django 81
#[actix::test]
async fn a_receiver_that_panics_at_a_start_harms_no_job() {
    for backend in [Backend::immediate(), Backend::memory()] {
        let board = board(backend).await;
        let (bad, good) = (listen(&board, "started"), listen(&board, ""));
        let result = board.enqueue(add::with(1, 2)).await.unwrap();
        until("the good one has heard all", || good.lock().len() == 3).await;
        assert_eq!(good.lock()[2].1.status(), Status::Successful);
        for n in 0..20 {
            board.enqueue(add::with(n, n)).await.unwrap();
        }
        until("the good one hears on", || good.lock().len() == 63).await;
        assert!(kinds(&bad, result.id()).contains(&"started") && bad.lock().len() <= 3);
        assert!(board.health().await.is_ready());
    }
}

// Django 82
#[actix::test]
async fn a_receiver_that_panics_at_an_end_changes_nothing_of_it() {
    for backend in [Backend::immediate(), Backend::memory()] {
        let board = board(backend).await;
        let heard = listen(&board, "finished");
        let result = board.enqueue(add::with(1, 2)).await.unwrap();
        until("it has heard all", || heard.lock().len() == 3).await;
        let result = if result.is_finished() { result } else { result.wait(SOON).await.unwrap() };
        assert_eq!((result.status(), result.return_value()), (Status::Successful, Ok(&3)));
    }
}

#[actix::test]
async fn a_receiver_that_is_gone_is_forgotten() {
    let board = board(Backend::memory()).await;
    let heard = listen(&board, "enqueued");
    // Its first message kills it; then it is a dead address that events still go to.
    for n in 0..200 {
        let result = board.enqueue(add::with(n, n)).await.unwrap();
        within(5, result.wait(SOON)).await.unwrap();
    }
    assert!(heard.lock().len() <= 3);
    assert_eq!(board.health().await.dropped_events, 0);
}

#[actix::test]
async fn a_receiver_with_a_mailbox_of_one_hears_everything() {
    struct Small(Arc<Mutex<usize>>);
    impl Actor for Small {
        type Context = Context<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            ctx.set_mailbox_capacity(1);
        }
    }
    impl Handler<TaskFinished> for Small {
        type Result = actix::ResponseFuture<()>;
        fn handle(&mut self, _: TaskFinished, _: &mut Context<Self>) -> Self::Result {
            let heard = Arc::clone(&self.0);
            Box::pin(async move {
                tokio::time::sleep(Duration::from_micros(100)).await;
                *heard.lock() += 1;
            })
        }
    }
    let board = board(Backend::memory()).await;
    let heard = Arc::new(Mutex::new(0));
    board.subscribe::<TaskFinished>(Small(Arc::clone(&heard)).start().recipient());
    let results = board.enqueue_all((0..1_000).map(|n| add::with(n, n).erase()).collect()).await.unwrap();
    within(20, join_all(results.into_iter().map(|result| result.wait(SOON)))).await;
    until("it has heard all", || *heard.lock() == 1_000).await;
}

#[actix::test]
async fn what_a_receiver_has_not_heard_yet_keeps_no_board_alive() {
    struct Busy;
    impl Actor for Busy {
        type Context = Context<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            ctx.wait(actix::fut::wrap_future(std::future::pending::<()>()));
        }
    }
    impl Handler<TaskFinished> for Busy {
        type Result = ();
        fn handle(&mut self, _: TaskFinished, _: &mut Context<Self>) {}
    }
    let store = SlowStore::new(Clock::system());
    let board = board(Backend::store(Arc::clone(&store) as _)).await;
    board.subscribe::<TaskFinished>(Busy.start().recipient());
    for n in 0..20 {
        let result = board.enqueue(add::with(n, n)).await.unwrap();
        within(5, result.wait(SOON)).await.unwrap();
    }
    drop(board);
    until("the board is gone", || Arc::strong_count(&store) == 1).await;
}

#[actix::test]
async fn what_was_heard_can_be_asked_for_more_as_long_as_the_board_stands() {
    let board = board(Backend::memory()).await;
    let heard = listen(&board, "");
    board.enqueue(add::with(1, 2)).await.unwrap();
    until("all three were heard", || heard.lock().len() == 3).await;
    let mut first = heard.lock()[0].1.clone();
    first.refresh().await.unwrap();
    assert_eq!(first.status(), Status::Successful);
    drop(board);
    assert!(matches!(first.refresh().await, Err(Error::Draining)));
}

#[actix::test]
async fn who_subscribes_hears_of_what_comes_and_not_of_what_was() {
    let board = board(Backend::memory()).await;
    let before = board.enqueue(add::with(1, 2)).await.unwrap();
    within(5, before.clone().wait(SOON)).await.unwrap();
    let heard = listen(&board, "");
    let after = board.enqueue(add::with(1, 2)).await.unwrap();
    until("its end was heard", || kinds(&heard, after.id()).len() == 3).await;
    assert_eq!(kinds(&heard, before.id()), Vec::<&str>::new());
}

#[actix::test]
async fn a_receiver_in_an_embedding_actor_system_subscribes_by_message() {
    let board = board(Backend::memory()).await;
    let heard = Heard::default();
    let ear = Ear { heard: Arc::clone(&heard), panics_at: "" }.start();
    let subscribe = board.recipient::<callboard_actors::Subscribe>("default").unwrap();
    within(5, subscribe.send(callboard_actors::Subscribe(ear.recipient()))).await.unwrap().unwrap();
    let result = board.enqueue(add::with(1, 2)).await.unwrap();
    until("its end was heard", || kinds(&heard, result.id()) == ["finished"]).await;
}

#[test]
fn the_three_messages_are_of_three_kinds() {
    let kinds = [TaskEnqueued::KIND, TaskStarted::KIND, TaskFinished::KIND];
    assert!(kinds[0] != kinds[1] && kinds[1] != kinds[2] && kinds[0] != kinds[2]);
}
