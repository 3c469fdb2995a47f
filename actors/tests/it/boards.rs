//! Which backends a board has, and what each of them can do.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context, Handler};
use callboard_actors::{Backend, Callboard, Door, Enqueue, GetResult, StartError};
use callboard_tasks::{
    AnyCall, Error, Filter, Job, JobId, Page, QueueNames, Snapshot, Supports, Timestamp, WaitError, WaitFor, resolve,
    task, tasks,
};
use parking_lot::Mutex;

use crate::support::{SOON, START, within};

#[task]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[task(backend = "other", queue = "math")]
async fn add_elsewhere(a: i64, b: i64) -> i64 {
    a + b
}

// Django 83
#[tokio::test]
async fn the_backends_are_listed_default_first() {
    let builder = Callboard::builder().backend("zebra", Backend::dummy()).memory().backend("ant", Backend::immediate());
    let board = builder.tasks(tasks![]).start().await.unwrap();
    let aliases: Vec<_> = board.backends().iter().map(|backend| backend.alias.as_str()).collect();
    assert_eq!(aliases, ["default", "ant", "zebra"]);
}

// Django 83
#[tokio::test]
async fn an_unknown_alias_is_an_error_that_names_those_there_are() {
    let builder = Callboard::builder().memory().backend("other", Backend::dummy()).tasks(tasks![add]);
    let board = builder.start().await.unwrap();
    let check = |error: Error| {
        let text = error.to_string();
        let Error::UnknownBackend { alias, known } = error else { panic!("{error:?}") };
        assert_eq!((alias.as_str(), known), ("nowhere", vec!["default".to_owned(), "other".to_owned()]));
        assert!(text.contains("nowhere") && text.contains("default, other"), "{text}");
    };
    check(board.enqueue(add::with(1, 2).backend("nowhere")).await.unwrap_err());
    check(board.enqueue_all(vec![add::with(1, 2).backend("nowhere").erase()]).await.unwrap_err());
    check(board.stats("nowhere").await.unwrap_err());
    check(board.list("nowhere", Filter::default(), Page { limit: 1, before: None }).await.unwrap_err());
    assert!(board.dummy("nowhere").is_none());
}

// Django 84
#[tokio::test]
async fn a_call_that_names_no_backend_goes_to_the_default_one() {
    let builder = Callboard::builder().backend("default", Backend::dummy()).backend("other", Backend::dummy());
    let board = builder.tasks(tasks![add]).start().await.unwrap();
    assert_eq!(board.enqueue(add::with(1, 2)).await.unwrap().backend(), "default");
    assert_eq!(
        (board.dummy("default").unwrap().results().len(), board.dummy("other").unwrap().results().len()),
        (1, 0)
    );
    let default = board.backends()[0];
    assert_eq!((default.alias.as_str(), &default.queues), ("default", &QueueNames::standard()));
}

#[tokio::test]
async fn a_call_goes_where_its_task_says_unless_it_says_otherwise() {
    let other = Backend::dummy().queues(["math"]);
    let builder = Callboard::builder().backend("default", Backend::dummy().queues([""; 0])).backend("other", other);
    let board = builder.tasks(tasks![add_elsewhere]).start().await.unwrap();
    assert_eq!(board.enqueue(add_elsewhere::with(1, 2)).await.unwrap().backend(), "other");
    assert_eq!(board.enqueue(add_elsewhere::with(1, 2).backend("default")).await.unwrap().backend(), "default");
}

// Django 85
#[tokio::test]
async fn what_a_backend_is_told_it_does() {
    // Django hands a map of options on as it is. Here each option is a method, so there is none that nobody reads;
    // what is left to show is that they arrive.
    let backend = Backend::memory().queues(["a", "b"]).workers(3).keep_max(2);
    let board = Callboard::builder().backend("default", backend).tasks(tasks![add]).start().await.unwrap();
    assert_eq!(board.backends()[0].queues, QueueNames::from_list(["a", "b"]));
    assert_eq!(board.health().await.backends[0].workers.len(), 3);
    let mut ids = Vec::new();
    for n in 0..4 {
        let result = board.enqueue(add::with(n, n).queue("a")).await.unwrap();
        ids.push(within(5, result.wait(SOON)).await.unwrap().id());
    }
    assert!(matches!(board.get(ids[0]).await, Err(Error::Pruned(_))));
    assert!(board.get(ids[3]).await.is_ok());
}

// Django 86
#[tokio::test]
async fn a_backend_that_is_configured_wrongly_lets_no_board_start_and_says_why() {
    let cases: [(&str, Backend, &[&str]); 7] = [
        ("default", Backend::memory().workers(0), &["default", "workers = 0", "at least 1"]),
        ("default", Backend::memory().concurrency(0), &["concurrency = 0"]),
        ("default", Backend::memory().inbox(0), &["inbox = 0"]),
        ("default", Backend::memory().lease(Duration::from_millis(299)), &["lease", "299ms", "300ms"]),
        ("default", Backend::memory().queues(["ok", "not ok\n"]), &["queue", "not ok"]),
        ("bad alias\0", Backend::memory(), &["alias"]),
        ("", Backend::memory(), &["alias"]),
    ];
    for (alias, backend, parts) in cases {
        let builder = Callboard::builder().memory().backend(alias, backend).tasks(tasks![]);
        let refused = builder.start().await.unwrap_err();
        assert!(matches!(refused, StartError::Backend { .. }), "{refused:?}");
        let text = refused.to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} in {text:?}");
    }
    Callboard::builder()
        .backend("default", Backend::memory().lease(Duration::from_millis(300)))
        .tasks(tasks![])
        .start()
        .await
        .unwrap();
}

// Django 86
#[tokio::test]
async fn a_board_without_a_default_backend_does_not_start() {
    let refused = Callboard::builder().backend("other", Backend::memory()).tasks(tasks![]).start().await.unwrap_err();
    assert!(refused.to_string().contains("\"default\"") && refused.to_string().contains(".memory()"), "{refused}");
    let refused = Callboard::builder().tasks(tasks![]).start().await.unwrap_err();
    assert!(matches!(refused, StartError::Backend { .. }));
}

/// What every custom backend must answer, and nothing else.
struct Least(Arc<Mutex<Vec<AnyCall>>>);

impl Actor for Least {
    type Context = Context<Self>;
}

fn snapshot(call: AnyCall) -> Result<Snapshot, Error> {
    let job = Job::new(Arc::new(resolve(call, Timestamp::now())?));
    Ok(Snapshot { backend: "whatever it calls itself".into(), job, duplicate: false, replayed: false })
}

impl Handler<Enqueue> for Least {
    type Result = Result<Snapshot, Error>;

    fn handle(&mut self, Enqueue(call): Enqueue, _: &mut Context<Self>) -> Self::Result {
        self.0.lock().push(call.clone());
        snapshot(call)
    }
}

/// One that looks jobs up as well.
struct More(Vec<Snapshot>);

impl Actor for More {
    type Context = Context<Self>;
}

impl Handler<Enqueue> for More {
    type Result = Result<Snapshot, Error>;

    fn handle(&mut self, Enqueue(call): Enqueue, _: &mut Context<Self>) -> Self::Result {
        let placed = snapshot(call)?;
        self.0.push(placed.clone());
        Ok(placed)
    }
}

impl Handler<GetResult> for More {
    type Result = Result<Snapshot, Error>;

    fn handle(&mut self, GetResult(id): GetResult, _: &mut Context<Self>) -> Self::Result {
        self.0.iter().find(|kept| kept.job.id() == id).cloned().ok_or(Error::NotFound(id))
    }
}

async fn custom(door: Door) -> Callboard {
    let builder = Callboard::builder().memory().backend("own", Backend::custom(door).queues(["default", "math"]));
    builder.tasks(tasks![add]).start().await.unwrap()
}

// Django 87
#[actix::test]
async fn a_backend_of_one_handler_takes_calls_and_refuses_the_rest() {
    let calls = Arc::default();
    let board = custom(Door::new(Least(Arc::clone(&calls)).start().recipient())).await;
    let own = |n| add::with(n, n).backend("own");
    let mut placed = board.enqueue(own(1).queue("math").priority(3)).await.unwrap();
    assert_eq!((placed.backend(), placed.queue(), placed.priority()), ("own", "math", 3));
    assert_eq!(calls.lock()[0].task(), "it.add");
    assert_eq!(calls.lock()[0].args_json().unwrap(), r#"{"a":1,"b":1}"#);

    let id = placed.id();
    let unsupported = |error: Error, what: &str| {
        assert!(matches!(&error, Error::Unsupported { alias, .. } if alias == "own"), "{error:?}");
        assert!(error.to_string().contains(what), "{error}");
    };
    unsupported(placed.refresh().await.unwrap_err(), "refreshing");
    let mut list = board.list("own", Filter::default(), Page { limit: 1, before: None }).await.unwrap_err();
    unsupported(std::mem::replace(&mut list, Error::Draining), "listing");
    unsupported(board.stats("own").await.unwrap_err(), "statistics");
    unsupported(board.pause("own", "default").await.unwrap_err(), "pausing");
    unsupported(board.resume("own", "default").await.unwrap_err(), "pausing");
    let both = board.enqueue_all(vec![own(1).erase(), own(2).erase()]).await.unwrap_err();
    unsupported(both, "several calls at once");
    assert_eq!(board.enqueue_all(vec![own(1).erase()]).await.unwrap().len(), 1, "one call is no more than one");
    let wait = board.recipient::<callboard_actors::Wait>("own").unwrap();
    let wait = wait.send(callboard_actors::Wait { id, until: WaitFor::Finished, timeout: SOON }).await.unwrap();
    let Err(WaitError::Board(error)) = wait else { panic!() };
    unsupported(error, "waiting");
    let cancel = board.recipient::<callboard_actors::Cancel>("own").unwrap();
    unsupported(cancel.send(callboard_actors::Cancel(id)).await.unwrap().unwrap_err(), "cancelling");
    let retry = board.recipient::<callboard_actors::Retry>("own").unwrap();
    unsupported(retry.send(callboard_actors::Retry(id)).await.unwrap().unwrap_err(), "retrying");
    let supports = board.backends()[1].supports;
    assert_eq!(supports, Supports { get_result: false, ..Supports::ALL });
    within(5, board.shutdown()).await;
}

// Django 87
#[actix::test]
async fn a_backend_that_looks_jobs_up_says_so_and_does() {
    let more = More(Vec::new()).start();
    let board = custom(Door::new(more.clone().recipient()).get_result(more.recipient())).await;
    assert!(board.backends()[1].supports.get_result);
    let mut placed = board.enqueue(add::with(1, 2).backend("own")).await.unwrap();
    placed.refresh().await.unwrap();
    // All backends are asked in turn.
    assert_eq!(board.get(placed.id()).await.unwrap().id(), placed.id());
    assert!(matches!(board.get(JobId::new(START)).await, Err(Error::NotFound(_))));
}

#[actix::test]
async fn what_a_custom_backend_cannot_do_is_refused_before_it_is_asked() {
    let calls = Arc::default();
    let door = Door::new(Least(Arc::clone(&calls)).start().recipient()).supports(Supports::NONE);
    let board = custom(door).await;
    let own = || add::with(1, 2).backend("own");
    for (call, part) in [(own(), "async"), (own().priority(1), "async"), (own().queue("nope"), "async")] {
        let refused = board.enqueue(call).await.unwrap_err();
        assert!(refused.to_string().contains(part), "{refused}");
    }
    assert!(calls.lock().is_empty());
    let door = Door::new(Least(Arc::clone(&calls)).start().recipient());
    let board = custom(door.supports(Supports { defer: false, priority: false, ..Supports::ALL })).await;
    for (call, part) in [(own().priority(1), "priority"), (own().run_after("5m"), "run_after")] {
        let refused = board.enqueue(call).await.unwrap_err();
        assert!(refused.to_string().contains(part), "{refused}");
    }
    assert!(calls.lock().is_empty());
    board.enqueue(own().priority(0)).await.unwrap();
}

#[actix::test]
async fn a_custom_backend_whose_actor_is_gone_gives_no_answer_and_is_not_ready() {
    struct Mortal;
    impl Actor for Mortal {
        type Context = Context<Self>;
    }
    impl Handler<Enqueue> for Mortal {
        type Result = Result<Snapshot, Error>;
        fn handle(&mut self, _: Enqueue, _: &mut Context<Self>) -> Self::Result {
            std::panic::resume_unwind(Box::new("as a handler may"));
        }
    }
    let board = custom(Door::new(Mortal.start().recipient())).await;
    assert!(board.health().await.is_ready());
    for _ in 0..3 {
        let refused = within(5, board.enqueue(add::with(1, 2).backend("own"))).await.unwrap_err();
        assert!(matches!(&refused, Error::NoAnswer { alias } if alias == "own"), "{refused:?}");
    }
    let health = board.health().await;
    assert!(health.is_alive() && !health.is_ready() && health.backends[1].degraded.is_some());
    let other = board.enqueue(add::with(1, 2)).await.unwrap();
    assert_eq!(within(5, other.wait(SOON)).await.unwrap().return_value(), Ok(&3));
}
