//! Schedules: who declares them, and that each tick is taken once.

use super::*;
use crate::{
    Control, JobSpec, Json, ScheduleDefinition, ScheduleRecord, StoreError, Tick, Timestamp, Unique, WorkerId,
};

fn definition(name: &str, text: &str) -> ScheduleDefinition {
    ScheduleDefinition { name: name.into(), definition: Json::from_stored(format!(r#"{{"cron":"{text}"}}"#)) }
}

async fn declare(stage: &Stage, worker: WorkerId, schedules: &[(&str, &str)]) {
    let schedules = schedules.iter().map(|(name, text)| definition(name, text)).collect();
    stage.control(Control::Declare { worker, schedules }).await;
}

async fn list(stage: &Stage) -> Vec<ScheduleRecord> {
    stage.store.schedules().await.expect("the store can be read")
}

async fn only(stage: &Stage) -> ScheduleRecord {
    let mut all = list(stage).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

async fn names(stage: &Stage) -> Vec<String> {
    list(stage).await.into_iter().map(|schedule| schedule.name).collect()
}

async fn tick(stage: &Stage, after: Option<Timestamp>, jobs: Vec<JobSpec>) -> bool {
    let jobs = jobs.into_iter().map(Into::into).collect();
    let tick = Tick { schedule: "s".into(), after, at: stage.now(), jobs };
    stage.store.tick(tick).await.expect("the store can be written")
}

/// What a process declares is there, as it was declared, from that time on.
pub async fn a_declared_schedule_is_there(stage: &Stage) {
    assert_eq!(list(stage).await, []);
    let worker = stage.worker().await;
    declare(stage, worker, &[("s", "1"), ("a", "2")]).await;
    let all = list(stage).await;
    let expected = |name: &str, text: &str| ScheduleRecord {
        name: name.into(),
        definition: definition(name, text).definition,
        declared: true,
        paused: false,
        since: stage.now(),
        last_tick: None,
    };
    assert_eq!(all, [expected("a", "2"), expected("s", "1")]);
}

/// A declaration is all that a process declares.
pub async fn a_declaration_takes_the_place_of_the_one_before(stage: &Stage) {
    let worker = stage.worker().await;
    declare(stage, worker, &[("s", "1"), ("a", "2")]).await;
    declare(stage, worker, &[("a", "2"), ("b", "3")]).await;
    assert_eq!(names(stage).await, ["a", "b"]);
}

/// Who is not registered declares nothing.
pub async fn only_a_registered_process_declares(stage: &Stage) {
    let worker = WorkerId::new(stage.now());
    let schedules = vec![definition("s", "1")];
    let answer = stage.store.control(Control::Declare { worker, schedules }).await;
    assert!(matches!(answer, Err(StoreError::Gone(gone)) if gone == worker), "{answer:?}");
}

/// When the last process that declares it goes, it is gone; in good order or not.
pub async fn a_schedule_goes_with_the_last_who_declares_it(stage: &Stage) {
    let (one, two) = (stage.worker().await, stage.worker().await);
    declare(stage, one, &[("s", "1")]).await;
    declare(stage, two, &[("s", "1")]).await;
    stage.control(Control::Leave(one)).await;
    assert_eq!(names(stage).await, ["s"]);
    stage.lose(two).await;
    assert_eq!(names(stage).await, [""; 0]);
    assert!(!tick(stage, None, vec![stage.spec()]).await, "it fires no more");
}

/// Of two that say different things, the one holds that was registered last.
pub async fn the_process_that_was_registered_last_says_what_it_is(stage: &Stage) {
    let (one, two) = (stage.worker().await, stage.worker().await);
    declare(stage, two, &[("s", "new")]).await;
    declare(stage, one, &[("s", "old")]).await;
    assert_eq!(only(stage).await.definition, definition("s", "new").definition);
    stage.control(Control::Leave(two)).await;
    assert_eq!(only(stage).await.definition, definition("s", "old").definition);
}

/// What became of it before stays with its name.
pub async fn pause_and_last_tick_survive(stage: &Stage) {
    let one = stage.worker().await;
    declare(stage, one, &[("s", "1")]).await;
    let since = stage.now();
    stage.advance(MINUTE);
    assert!(tick(stage, None, Vec::new()).await);
    let last_tick = Some(stage.now());
    stage.control(Control::PauseSchedule("s".into())).await;
    stage.control(Control::Leave(one)).await;
    stage.advance(HOUR);
    let two = stage.worker().await;
    declare(stage, two, &[("s", "1")]).await;
    let schedule = only(stage).await;
    assert_eq!((schedule.paused, schedule.last_tick, schedule.since), (true, last_tick, since));
}

/// Another definition counts from when it came: what it would have done before is not missed.
pub async fn another_definition_counts_from_its_coming(stage: &Stage) {
    let worker = stage.worker().await;
    declare(stage, worker, &[("s", "1")]).await;
    stage.advance(HOUR);
    declare(stage, worker, &[("s", "1")]).await;
    assert!(only(stage).await.since < stage.now(), "the same one says nothing new");
    declare(stage, worker, &[("s", "2")]).await;
    assert_eq!(only(stage).await.since, stage.now());
}

/// A schedule may be made without a process, and removed.
pub async fn a_schedule_is_made_and_removed_at_run_time(stage: &Stage) {
    stage.control(Control::SetSchedule(definition("s", "1"))).await;
    let schedule = only(stage).await;
    assert!(!schedule.declared);
    assert_eq!(schedule.definition, definition("s", "1").definition);
    stage.control(Control::SetSchedule(definition("s", "2"))).await;
    assert_eq!(only(stage).await.definition, definition("s", "2").definition);
    stage.control(Control::RemoveSchedule("s".into())).await;
    assert_eq!(list(stage).await, []);
}

/// What a process declares holds before what was made.
pub async fn a_declared_schedule_holds_before_one_that_was_made(stage: &Stage) {
    let worker = stage.worker().await;
    stage.control(Control::SetSchedule(definition("s", "made"))).await;
    declare(stage, worker, &[("s", "declared")]).await;
    assert_eq!(only(stage).await.definition, definition("s", "declared").definition);
    stage.control(Control::Leave(worker)).await;
    assert_eq!(only(stage).await.definition, definition("s", "made").definition);
}

/// Who names one that is not there is told.
pub async fn an_unknown_schedule_is_an_error(stage: &Stage) {
    let name = || "s".to_owned();
    for control in [Control::PauseSchedule(name()), Control::ResumeSchedule(name()), Control::RemoveSchedule(name())] {
        let answer = stage.store.control(control).await;
        assert!(matches!(&answer, Err(StoreError::NoSchedule(missing)) if *missing == name()), "{answer:?}");
    }
}

/// A tick brings its jobs, in one step.
pub async fn a_tick_enqueues_its_jobs(stage: &Stage) {
    let worker = stage.worker().await;
    declare(stage, worker, &[("s", "1")]).await;
    let (one, two) = (stage.spec(), stage.spec());
    let ids = [one.id, two.id];
    assert!(tick(stage, None, vec![one, two]).await);
    assert_eq!(only(stage).await.last_tick, Some(stage.now()));
    assert_eq!(stage.claim_ids(worker, 9).await, ids);
}

/// Who comes with what was true before takes nothing.
pub async fn a_tick_is_taken_once(stage: &Stage) {
    let worker = stage.worker().await;
    declare(stage, worker, &[("s", "1")]).await;
    assert!(tick(stage, None, vec![stage.spec()]).await);
    let first = stage.now();
    assert!(!tick(stage, None, vec![stage.spec()]).await);
    stage.advance(MINUTE);
    assert!(tick(stage, Some(first), vec![stage.spec()]).await);
    assert!(!tick(stage, Some(first), vec![stage.spec()]).await);
    assert_eq!(stage.claim(worker, 9).await.len(), 2);
}

/// A tick without jobs is passed over for all.
pub async fn a_tick_may_be_passed_over(stage: &Stage) {
    let worker = stage.worker().await;
    declare(stage, worker, &[("s", "1")]).await;
    assert!(tick(stage, None, Vec::new()).await);
    assert_eq!(only(stage).await.last_tick, Some(stage.now()));
    assert_eq!(stage.claim_ids(worker, 9).await, []);
}

/// A tick whose jobs are refused is not taken.
pub async fn a_tick_that_fails_is_not_taken(stage: &Stage) {
    let worker = stage.worker().await;
    declare(stage, worker, &[("s", "1")]).await;
    let taken = stage.put(stage.spec()).await;
    let jobs = vec![stage.spec().into(), JobSpec { id: taken, ..stage.spec() }.into()];
    let failed = stage.store.tick(Tick { schedule: "s".into(), after: None, at: stage.now(), jobs }).await;
    assert!(matches!(failed, Err(StoreError::DuplicateId(_))), "{failed:?}");
    assert_eq!(only(stage).await.last_tick, None);
    assert_eq!(stage.claim_ids(worker, 9).await, [taken]);
}

/// A job of a tick whose key is held is left out, and the others come.
pub async fn a_job_whose_key_is_held_is_left_out_of_a_tick(stage: &Stage) {
    let worker = stage.worker().await;
    declare(stage, worker, &[("s", "1")]).await;
    let unique = |unique: Unique| {
        let key = unique.key_of(TASK, &Json::null(), stage.now());
        JobSpec { unique: Some(Box::new(key)), ..stage.spec() }
    };
    let held = stage.put(unique(Unique::by_key("a"))).await;
    let other = stage.spec();
    let id = other.id;
    assert!(tick(stage, None, vec![unique(Unique::by_key("a").or_reject()), other]).await);
    assert_eq!(stage.claim_ids(worker, 9).await, [held, id]);
}

/// A paused schedule takes no tick; after the pause those count that come.
pub async fn a_paused_schedule_takes_no_tick(stage: &Stage) {
    let worker = stage.worker().await;
    declare(stage, worker, &[("s", "1")]).await;
    stage.control(Control::PauseSchedule("s".into())).await;
    assert!(only(stage).await.paused);
    stage.advance(MINUTE);
    assert!(!tick(stage, None, vec![stage.spec()]).await);
    stage.control(Control::ResumeSchedule("s".into())).await;
    let schedule = only(stage).await;
    assert_eq!((schedule.paused, schedule.since, schedule.last_tick), (false, stage.now(), None));
    assert!(tick(stage, None, vec![stage.spec()]).await);
}

/// The beat says when the list is another one, and is quiet otherwise.
pub async fn the_beat_tells_of_changes(stage: &Stage) {
    let worker = stage.worker().await;
    let number = async || stage.beat(worker).await.expect("the lease is there").schedules;
    assert_eq!(number().await, 0);
    let mut seen = vec![0];
    declare(stage, worker, &[("s", "1")]).await;
    seen.push(number().await);
    stage.control(Control::PauseSchedule("s".into())).await;
    seen.push(number().await);
    stage.control(Control::ResumeSchedule("s".into())).await;
    seen.push(number().await);
    stage.control(Control::SetSchedule(definition("t", "1"))).await;
    seen.push(number().await);
    stage.control(Control::RemoveSchedule("t".into())).await;
    seen.push(number().await);
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "{seen:?}");
    assert!(tick(stage, None, vec![stage.spec()]).await);
    assert_eq!(Some(&number().await), seen.last());
}

/// Of any number that try, one takes the tick.
pub async fn one_of_many_takes_a_tick(stage: &Stage) {
    let worker = stage.worker().await;
    declare(stage, worker, &[("s", "1")]).await;
    let mut after = None;
    for round in 1..=5 {
        stage.advance(MINUTE);
        let at = stage.now();
        let store = &stage.store;
        let try_it = |spec: JobSpec| {
            let tick = Tick { schedule: "s".into(), after, at, jobs: vec![spec.into()] };
            futures::executor::block_on(store.tick(tick)).expect("the store can be written")
        };
        let specs: Vec<_> = (0..8).map(|_| stage.spec()).collect();
        let taken = std::thread::scope(|scope| {
            let tries: Vec<_> = specs.into_iter().map(|spec| scope.spawn(move || try_it(spec))).collect();
            tries.into_iter().map(|one| one.join().expect("no panic")).filter(|taken| *taken).count()
        });
        assert_eq!(taken, 1);
        assert_eq!(stage.list(crate::Filter::default()).await.len(), round);
        after = Some(at);
    }
}
