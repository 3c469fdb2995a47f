//! Schedules of a running board: each tick makes one job, whoever takes it.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::{Backend, Builder, Callboard, StartError};
use callboard_tasks::{
    CallOptions, Clock, Control, Data, Error, Filter, MemoryOptions, MemoryStore, Missed, Page, Schedule, Status,
    Store, TaskContext, Timestamp, Unique, task, tasks,
};

use crate::support::{HOUR, Probe, START, SlowStore, until, until_async, within};

#[task]
async fn note(context: TaskContext, probe: Data<Probe>, what: String) {
    let metadata: serde_json::Value = context.metadata().unwrap().unwrap();
    let tick = metadata["schedule"]["tick"].as_str().unwrap_or("by hand");
    probe.say(format!("{what} {tick}"));
}

#[task]
async fn hold(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass().await;
}

fn hourly() -> Schedule {
    Schedule::cron("0 * * * *", note::with("hourly")).unwrap().name("hourly")
}

fn builder(backend: Backend, clock: &Clock, probe: &Arc<Probe>) -> Builder {
    let builder = Callboard::builder().backend("default", backend).tasks(tasks![note, hold]).clock(clock.clone());
    builder.data_arc(Arc::clone(probe))
}

fn tick(hour: i64) -> String {
    (START + jiff::SignedDuration::from_hours(hour)).to_string()
}

async fn jobs(board: &Callboard) -> usize {
    board.list("default", Filter::default(), Page { limit: 1_000, before: None }).await.unwrap().0.len()
}

#[tokio::test]
async fn a_schedule_of_the_code_fires_when_its_time_has_come() {
    let (clock, probe) = (Clock::manual(START), Arc::<Probe>::default());
    let board = builder(Backend::memory(), &clock, &probe).schedule(hourly()).start().await.unwrap();
    clock.advance(HOUR - Duration::from_secs(1));
    assert_eq!(jobs(&board).await, 0);
    clock.advance(Duration::from_secs(1));
    until("it has fired", || probe.said(&format!("hourly {}", tick(1)))).await;

    let (found, _) = board.list("default", Filter::default(), Page { limit: 10, before: None }).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].job().spec.tags, ["schedule:hourly"]);
}

#[tokio::test]
async fn a_schedule_fires_by_the_clock_of_the_machine() {
    let probe = Arc::<Probe>::default();
    let each_second = Schedule::cron("* * * * * *", note::with("second")).unwrap();
    let board = builder(Backend::memory(), &Clock::system(), &probe).schedule(each_second).start().await.unwrap();
    until("three seconds have passed", || probe.lines().len() >= 3).await;
    let mut lines = probe.lines();
    lines.sort();
    lines.dedup();
    assert!(lines.len() >= 3, "{lines:?}");
    board.shutdown().await;
}

#[tokio::test]
async fn two_boards_with_the_same_schedule_fire_each_tick_once() {
    let (clock, probe) = (Clock::manual(START), Arc::<Probe>::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone(), MemoryOptions::default()));
    let start = async || {
        let builder = builder(Backend::store(Arc::clone(&store)), &clock, &probe);
        builder.schedule(hourly()).start().await.unwrap()
    };
    let (one, _other) = (start().await, start().await);
    for hour in 1..=20 {
        clock.advance(HOUR);
        until("it has fired", || probe.said(&format!("hourly {}", tick(hour)))).await;
    }
    assert_eq!(jobs(&one).await, 20);
}

#[tokio::test]
async fn what_one_board_changes_all_others_fire_by() {
    let (clock, probe) = (Clock::manual(START), Arc::<Probe>::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone(), MemoryOptions::default()));
    let start = async || builder(Backend::store(Arc::clone(&store)), &clock, &probe).start().await.unwrap();
    let (one, other) = (start().await, start().await);
    one.set_schedule(hourly()).await.unwrap();
    // The one that knows of it is gone before it is due.
    one.shutdown().await;
    clock.advance(HOUR);
    until("it has fired", || probe.said(&format!("hourly {}", tick(1)))).await;
    other.shutdown().await;
}

#[tokio::test]
async fn a_schedule_can_be_paused_resumed_run_and_removed() {
    let (clock, probe) = (Clock::manual(START), Arc::<Probe>::default());
    let board = builder(Backend::memory(), &clock, &probe).start().await.unwrap();
    board.set_schedule(hourly().missed(Missed::Skip)).await.unwrap();
    let status = board.schedule("hourly").await.unwrap();
    assert!(!status.record.declared && !status.record.paused);
    assert_eq!(status.next.iter().map(ToString::to_string).collect::<Vec<_>>(), [1, 2, 3, 4, 5].map(tick));

    board.pause_schedule("hourly").await.unwrap();
    clock.advance(HOUR);
    assert!(board.schedule("hourly").await.unwrap().record.paused);
    let result = board.run_schedule("hourly").await.unwrap();
    assert_eq!(result.task(), note::NAME);
    until("it ran by hand", || probe.said("hourly by hand")).await;

    board.resume_schedule("hourly").await.unwrap();
    clock.advance(HOUR);
    until("it fires again", || probe.said(&format!("hourly {}", tick(2)))).await;
    assert!(!probe.said(&format!("hourly {}", tick(1))), "what passed in the pause is not made up for");

    board.remove_schedule("hourly").await.unwrap();
    assert_eq!(board.schedules().await.unwrap(), []);
    for gone in [board.pause_schedule("hourly").await, board.run_schedule("hourly").await.map(drop)] {
        assert!(matches!(gone, Err(Error::NoSchedule(name)) if name == "hourly"));
    }
    clock.advance(HOUR);
    assert_eq!(jobs(&board).await, 2);
}

#[tokio::test]
async fn what_was_missed_while_no_process_lived_is_made_up_for_as_the_policy_says() {
    let all = Missed::All { within: 3 * HOUR };
    for (missed, expected) in [(Missed::Skip, vec![]), (Missed::One, vec![5]), (all, vec![3, 4, 5])] {
        let (clock, probe) = (Clock::manual(START), Arc::<Probe>::default());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone(), MemoryOptions::default()));
        let start = async || {
            let builder = builder(Backend::store(Arc::clone(&store)), &clock, &probe);
            builder.schedule(hourly().missed(missed)).start().await.unwrap()
        };
        start().await.shutdown().await;
        clock.advance(5 * HOUR + Duration::from_secs(120));
        let board = start().await;
        until_async("it has caught up", async || {
            board.schedule("hourly").await.unwrap().record.last_tick == Some(START + 5 * HOUR)
        })
        .await;
        let mut expected: Vec<_> = expected.into_iter().map(|hour| format!("hourly {}", tick(hour))).collect();
        until("all have run", || probe.lines().len() >= expected.len()).await;
        let mut lines = probe.lines();
        lines.sort();
        expected.sort();
        assert_eq!(lines, expected, "{missed}");
    }
}

#[tokio::test]
async fn a_tick_makes_no_job_while_the_last_one_holds_their_unique_key() {
    let (clock, probe) = (Clock::manual(START), Arc::<Probe>::default());
    let call = hold::with().unique(Unique::by_args());
    let schedule = Schedule::cron("0 * * * *", call).unwrap().name("one at a time");
    let refused = builder(Backend::memory(), &clock, &probe).schedule(schedule.clone()).start().await.unwrap_err();
    assert!(refused.to_string().contains("name \"one at a time\" contains ' '"), "{refused}");

    let board = builder(Backend::memory(), &clock, &probe).schedule(schedule.name("single")).start().await.unwrap();
    for hour in 1..=3 {
        clock.advance(HOUR);
        let at = Some(START + hour * HOUR);
        until_async("the tick is taken", async || board.schedule("single").await.unwrap().record.last_tick == at).await;
    }
    assert_eq!(jobs(&board).await, 1);
    probe.gate.open();
}

#[tokio::test]
async fn a_tick_that_fails_is_tried_again_and_its_delay_shows_in_readiness() {
    let (clock, probe) = (Clock::manual(START), Arc::<Probe>::default());
    let store = SlowStore::new(clock.clone());
    store.tick.fail(1_000);
    let backend = Backend::store(Arc::clone(&store) as Arc<dyn Store>);
    let board = builder(backend, &clock, &probe).schedule(hourly()).start().await.unwrap();
    let late = async || board.health().await.backends[0].late_schedules.clone();
    assert!(board.health().await.is_ready());
    clock.advance(HOUR);
    until("it was tried", || store.tick.asked() > 0).await;
    assert_eq!(late().await, None, "within a minute it is on time");
    clock.advance(Duration::from_secs(61));
    let text = late().await.unwrap();
    assert!(text.contains(&format!("hourly since {}", tick(1))), "{text}");
    assert!(!board.health().await.is_ready());

    store.tick.heal();
    until("it has fired", || probe.said(&format!("hourly {}", tick(1)))).await;
    until_async("it is on time again", async || board.health().await.is_ready()).await;
    assert_eq!(jobs(&board).await, 1);
}

#[tokio::test]
async fn a_process_whose_lease_was_taken_declares_its_schedules_again() {
    let (clock, probe) = (Clock::manual(START), Arc::<Probe>::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone(), MemoryOptions::default()));
    let backend = Backend::store(Arc::clone(&store)).lease(Duration::from_millis(300));
    let board = builder(backend, &clock, &probe).schedule(hourly()).start().await.unwrap();
    let worker = board.stats("default").await.unwrap().workers[0].0;
    store.control(Control::Leave(worker)).await.unwrap();
    assert_eq!(board.schedules().await.unwrap(), []);
    until_async("it is declared again", async || board.schedules().await.unwrap().len() == 1).await;
    clock.advance(HOUR);
    until("it has fired", || probe.said(&format!("hourly {}", tick(1)))).await;
}

#[tokio::test]
async fn a_board_with_wrong_schedules_does_not_start_and_says_all_that_is_wrong() {
    let (clock, probe) = (Clock::manual(START), Arc::<Probe>::default());
    let named = |task: &str, args: &str| {
        Schedule::named("@daily", task, args, CallOptions::default()).unwrap().name(format!("of-{task}"))
    };
    let other = Schedule::cron("@daily", note::with("x").backend("other")).unwrap().name("other");
    let dummy = Schedule::cron("@daily", note::with("x").backend("dummy")).unwrap().name("dummy");
    let queue = Schedule::cron("@daily", note::with("x").queue("mail")).unwrap().name("queue");
    let builder = builder(Backend::memory(), &clock, &probe).backend("dummy", Backend::dummy());
    let builder = builder.schedule(hourly()).schedule(hourly()).schedule(other).schedule(dummy).schedule(queue);
    let builder = builder.schedule(named("noet", "{}")).schedule(named("note", "{}"));
    let refused = builder.start().await.unwrap_err();
    let StartError::Schedules(problems) = &refused else { panic!("{refused}") };
    let found: Vec<_> = problems.iter().map(|one| (one.schedule.as_str(), one.problems[0].pointer.as_str())).collect();
    let expected = [
        ("hourly", "#/name"),
        ("other", "#/backend"),
        ("dummy", "#/backend"),
        ("queue", "#/queue"),
        ("of-noet", "#/task"),
        ("of-note", "#/args/what"),
    ];
    assert_eq!(found, expected);
    let text = refused.to_string();
    for says in ["did you mean", "there is no backend \"other\"", "does not support schedules", "is missing"] {
        assert!(text.contains(says), "{says}: {text}");
    }
}

#[tokio::test]
async fn a_task_of_another_process_is_scheduled_by_name() {
    let (clock, probe) = (Clock::manual(START), Arc::<Probe>::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone(), MemoryOptions::default()));
    let _worker = builder(Backend::store(Arc::clone(&store)), &clock, &probe).start().await.unwrap();
    let named = Schedule::named("0 * * * *", "note", r#"{"what": "named"}"#, CallOptions::default()).unwrap();
    let front = Callboard::builder().backend("default", Backend::store(store)).tasks([]).clock(clock.clone());
    let front = front.schedule(named).start().await.unwrap();
    assert_eq!(front.schedules().await.unwrap()[0].record.name, note::NAME);
    clock.advance(HOUR);
    until("it has fired", || probe.said(&format!("named {}", tick(1)))).await;
    within(20, async {
        let (found, _) = front.list("default", Filter::default(), Page { limit: 10, before: None }).await.unwrap();
        let result = front.get(found[0].id()).await.unwrap();
        assert_eq!(result.wait(Duration::from_secs(10)).await.unwrap().status(), Status::Successful);
    })
    .await;
}

#[tokio::test]
async fn the_last_tick_and_a_pause_survive_the_processes() {
    let (clock, probe) = (Clock::manual(START), Arc::<Probe>::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone(), MemoryOptions::default()));
    let start = async || {
        let builder = builder(Backend::store(Arc::clone(&store)), &clock, &probe);
        builder.schedule(hourly()).start().await.unwrap()
    };
    let first = start().await;
    clock.advance(HOUR);
    until("it has fired", || probe.said(&format!("hourly {}", tick(1)))).await;
    first.pause_schedule("hourly").await.unwrap();
    let refused = first.remove_schedule("hourly").await.unwrap_err().to_string();
    assert!(refused.contains("\"hourly\" is declared by a process; take it out of its code"), "{refused}");
    first.shutdown().await;

    let second = start().await;
    let status = second.schedule("hourly").await.unwrap();
    assert!(status.record.paused && status.record.declared);
    assert_eq!(status.record.last_tick, Some::<Timestamp>(START + HOUR));
    clock.advance(HOUR);
    assert_eq!(jobs(&second).await, 1);
}
