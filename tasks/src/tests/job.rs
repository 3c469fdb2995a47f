use std::collections::BTreeSet;
use std::time::Duration;

use super::support::{HOUR, MINUTE, START, add, job, send};
use crate::{Attempts, Job, JobId, Json, Phase, Progress, Status, TaskError, WorkerId};

// Django 45
#[test]
fn a_new_job_waits_and_has_nothing_behind_it() {
    let job = job(add::with(1, 2));
    assert_eq!((job.status(), job.state.phase, job.state.version), (Status::Ready, Phase::Ready, 1));
    let state = &job.state;
    assert_eq!((state.started_at, state.last_attempted_at, state.finished_at), (None, None, None));
    assert_eq!((state.attempts, state.errors(), state.worker_ids()), (0, &[][..], &[][..]));
    assert_eq!((&state.return_value, state.progress), (&None, None));
}

// Django 18
#[test]
fn a_new_job_is_scheduled_only_for_a_time_to_come() {
    let phase = |at| job(add::with(1, 2).run_after(at)).state.phase;
    assert_eq!(phase(START + MINUTE), Phase::Scheduled);
    assert_eq!(phase(START), Phase::Ready);
    assert_eq!(phase(START - MINUTE), Phase::Ready);
}

#[test]
fn a_job_is_ordered_by_the_later_of_its_two_times() {
    let effective = |at| job(add::with(1, 2).run_after(at)).spec.effective_time();
    assert_eq!(effective(START + MINUTE), START + MINUTE);
    assert_eq!(effective(START - MINUTE), START);
    assert_eq!(job(add::with(1, 2)).spec.effective_time(), START);
}

/// A job with something in every field.
fn worn_job(return_value: Option<Json>) -> Job {
    let call = send::with("ann", Some(2))
        .run_after("5m")
        .tag("a")
        .metadata(&[("k", 1)].into_iter().collect::<std::collections::BTreeMap<_, _>>());
    let mut job = job(call.traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    let state = &mut job.state;
    (state.phase, state.version, state.run, state.attempts, state.losses) = (Phase::Successful, 9, 4, 2, 1);
    (state.started_at, state.last_attempted_at) = (Some(START + MINUTE), Some(START + HOUR));
    (state.finished_at, state.next_run_at) = (Some(START + HOUR), Some(START));
    state.progress = Some(Progress { done: 3, total: 10 });
    let mut history = Attempts::default();
    history.add_worker(WorkerId::new(START));
    history.add_error(TaskError::new("MailError", "no route", "MailError: no route\n", 1, START));
    state.history = history;
    state.return_value = return_value;
    job
}

// Django 57
#[test]
fn a_job_is_equal_to_itself_after_it_was_written_and_read() {
    let values = [None, Some(Json::null()), Some(Json::from_stored(r#"{"b":1,"a":2}"#.into()))];
    for job in values.map(worn_job).into_iter().chain([job(add::with(1, 2))]) {
        let text = serde_json::to_string(&job).unwrap();
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job, "{text}");
    }
}

// Django 58
#[test]
fn an_id_is_text_of_36_characters_and_reads_back() {
    let id = JobId::new(START);
    let text = id.to_string();
    assert_eq!((text.len(), text.parse()), (36, Ok(id)));
    assert_eq!(serde_json::to_value(id).unwrap(), text);
}

#[test]
fn ids_of_one_process_grow_also_within_a_moment_and_across_threads() {
    let ids: Vec<JobId> = (0..10_000).map(|_| JobId::new(START)).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));

    let of_thread = || (0..1_000).map(|_| JobId::new(START)).collect::<Vec<_>>();
    let lists: Vec<Vec<JobId>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(of_thread)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(lists.iter().all(|ids| ids.windows(2).all(|pair| pair[0] < pair[1])));
    assert_eq!(lists.concat().into_iter().collect::<BTreeSet<_>>().len(), 4_000);
}

#[test]
fn ids_of_a_later_time_are_larger() {
    let now = JobId::new(START + 2 * HOUR);
    assert!(now < JobId::new(START + 3 * HOUR));
}

#[test]
fn a_job_remembers_its_last_20_attempts() {
    let mut history = Attempts::default();
    for attempt in 1..=25 {
        history.add_error(TaskError::new("E", "", "", attempt, START));
        history.add_worker(WorkerId::new(START + Duration::from_secs(attempt.into())));
    }
    let kept: Vec<u32> = history.errors.iter().map(|error| error.attempt).collect();
    assert_eq!(kept, (6..=25).collect::<Vec<_>>());
    assert_eq!(history.worker_ids.len(), 20);
}

#[test]
fn texts_of_an_error_are_cut_at_a_character_and_the_cut_shows() {
    let long = "ä".repeat(20_000);
    let error = TaskError::new(&long, &long, &long, 1, START);
    for (text, limit) in [
        (&error.exception_class, crate::MAX_NAME),
        (&error.message, TaskError::MAX_MESSAGE),
        (&error.traceback, TaskError::MAX_TRACEBACK),
    ] {
        assert!(text.len() <= limit && text.len() > limit - 2, "{} of {limit}", text.len());
        assert!(text.ends_with("ä…"));
    }
    let just_fits = "x".repeat(TaskError::MAX_MESSAGE);
    assert_eq!(TaskError::new("E", &just_fits, "", 1, START).message, just_fits);
}

#[test]
fn nul_in_an_error_is_replaced_and_the_bound_still_holds() {
    assert_eq!(TaskError::new("E", "a\0b", "", 1, START).message, "a\u{fffd}b");
    let error = TaskError::new("E", &"\0".repeat(2_048), "", 1, START);
    assert!(!error.message.contains('\0'));
    assert!(error.message.len() <= TaskError::MAX_MESSAGE, "{}", error.message.len());
}

// Django 56
#[test]
fn the_class_of_an_error_is_text_that_nobody_has_to_resolve() {
    let error = TaskError::new("gone::module::NoError", "m", "", 1, START);
    let read: TaskError = serde_json::from_str(&serde_json::to_string(&error).unwrap()).unwrap();
    assert_eq!(read.exception_class, "gone::module::NoError");
}
