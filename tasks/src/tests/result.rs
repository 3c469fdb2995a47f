use std::sync::Arc;
use std::time::Duration;

use futures::executor::block_on;

use super::support::{FakeBoard, HOUR, MINUTE, SECOND, START, add, job, ping, send, snapshot};
use crate::{
    Attempts, Board, Error, Job, Json, NoReturnValue, Phase, Progress, Snapshot, Status, TaskError, TaskResult,
    WaitError, WorkerId,
};

fn result(job: Job) -> TaskResult<i64> {
    TaskResult::new(None, snapshot(job)).unwrap()
}

fn in_phase(phase: Phase) -> Job {
    let mut job = job(add::with(2, 3));
    job.state.phase = phase;
    job
}

fn succeeded(mut job: Job, value: &str) -> Job {
    job.state.phase = Phase::Successful;
    job.state.return_value = Some(Json::from_stored(value.into()));
    job
}

// Django 45
#[test]
fn a_new_result_is_ready_and_empty() {
    let result = result(job(add::with(2, 3)));
    assert_eq!((result.status(), result.is_finished(), result.attempts()), (Status::Ready, false, 0));
    assert_eq!((result.started_at(), result.last_attempted_at(), result.finished_at()), (None, None, None));
    assert_eq!((result.errors(), result.worker_ids()), (&[][..], &[][..]));
    assert_eq!((result.progress(), result.metadata(), result.is_duplicate()), (None, None, false));
}

#[test]
fn a_result_tells_what_its_call_asked_for() {
    let call = send::with("ann", Some(2)).priority(7).tag("signup").metadata(&serde_json::json!({"source": "form"}));
    let result: TaskResult<()> = TaskResult::new(None, snapshot(job(call))).unwrap();
    assert_eq!((result.task(), result.backend(), result.queue()), ("callboard_tasks.send", "default", "mail"));
    assert_eq!((result.priority(), result.max_attempts(), result.enqueued_at()), (7, 3, START));
    assert_eq!(result.args(), serde_json::json!({"to": "ann", "copies": 2}));
    assert_eq!(
        (result.tags(), result.metadata()),
        (&["signup".into()][..], Some(serde_json::json!({"source": "form"})))
    );
    assert_eq!(result.id(), result.job().id());
    assert_eq!(format!("{result:?}"), format!("TaskResult(callboard_tasks.send {} ready)", result.id()));
}

#[test]
fn a_result_tells_what_its_attempts_left_behind() {
    let mut job = in_phase(Phase::RetryWait);
    let mut history = Attempts::default();
    let (worker, error) = (WorkerId::new(START), TaskError::new("E", "m", "", 1, START));
    history.add_worker(worker);
    history.add_error(error.clone());
    job.state.history = history;
    (job.state.started_at, job.state.last_attempted_at) = (Some(START), Some(START + MINUTE));
    (job.state.finished_at, job.state.progress) = (Some(START + HOUR), Some(Progress { done: 1, total: 2 }));
    let result = result(job);
    assert_eq!((result.errors(), result.worker_ids()), (&[error][..], &[worker][..]));
    assert_eq!((result.started_at(), result.last_attempted_at()), (Some(START), Some(START + MINUTE)));
    assert_eq!((result.finished_at(), result.progress()), (Some(START + HOUR), Some(Progress { done: 1, total: 2 })));
    assert_eq!((result.phase(), result.status()), (Phase::RetryWait, Status::Ready));
}

// Django 46, 47
#[test]
fn only_a_successful_result_has_a_return_value() {
    for phase in Phase::ALL {
        let value = result(in_phase(phase)).return_value().copied();
        match phase.status() {
            Status::Ready | Status::Running => assert_eq!(value, Err(NoReturnValue::NotFinished)),
            Status::Failed => assert_eq!(value, Err(NoReturnValue::Failed(phase))),
            Status::Successful => {}
        }
    }
    assert_eq!(result(succeeded(in_phase(Phase::Running), "5")).return_value(), Ok(&5));
    assert_eq!(NoReturnValue::NotFinished.to_string(), "the task has not finished yet");
    assert_eq!(NoReturnValue::Failed(Phase::Expired).to_string(), "the task failed (expired)");
}

/// A value that was there before the job was run again is not the value of the present run.
#[test]
fn a_job_that_runs_again_has_no_return_value_yet() {
    let mut again = succeeded(in_phase(Phase::Running), "5");
    again.state.phase = Phase::Ready;
    assert_eq!(result(again).return_value(), Err(NoReturnValue::NotFinished));
}

// Django 48
#[test]
fn null_is_a_return_value() {
    let done = succeeded(job(ping::with()), "null");
    let unit: TaskResult<()> = TaskResult::new(None, snapshot(done.clone())).unwrap();
    assert_eq!(unit.return_value(), Ok(&()));
    let any: TaskResult = TaskResult::new(None, snapshot(done)).unwrap();
    assert_eq!(any.return_value(), Ok(&serde_json::Value::Null));
}

// Django 49
#[test]
fn the_first_attempt_counts_while_it_runs() {
    let mut job = job(add::with(2, 3));
    job.claim(WorkerId::new(START), START).unwrap();
    let result = result(job);
    assert_eq!((result.status(), result.attempts(), result.worker_ids().len()), (Status::Running, 1, 1));
}

#[test]
fn a_return_value_of_another_type_is_refused_with_the_job() {
    let job = succeeded(in_phase(Phase::Running), "\"five\"");
    let id = job.id();
    let wrong = TaskResult::<i64>::new(None, snapshot(job)).unwrap_err();
    assert_eq!(wrong.to_string(), format!("the return value of task {id} does not fit the expected type"));
}

// Django 53
#[test]
fn a_result_changes_only_when_it_is_refreshed() {
    let before = job(add::with(2, 3));
    let mut after = before.clone();
    after.claim(WorkerId::new(START), START + SECOND).unwrap();
    let after = succeeded(after, "5");
    let board = FakeBoard::answering([Ok(snapshot(after.clone()))]);
    let mut result: TaskResult<i64> = TaskResult::new(Some(board.clone()), snapshot(before)).unwrap();
    let kept = result.clone();

    block_on(result.refresh()).unwrap();
    assert_eq!((result.status(), result.return_value()), (Status::Successful, Ok(&5)));
    assert_eq!((result.job(), result.started_at()), (&after, Some(START + SECOND)));
    assert_eq!((kept.status(), kept.attempts()), (Status::Ready, 0));
    assert_ne!(kept, result);
    assert_eq!(*board.asked.lock(), [(after.id(), Some("default".into()))]);
}

// Django 54
#[test]
fn a_refresh_never_changes_what_the_result_is_of() {
    let before = job(add::with(2, 3));
    let other =
        Snapshot { backend: "other".into(), job: succeeded(job(ping::with()), "7"), duplicate: true, replayed: false };
    let board = FakeBoard::answering([Ok(other)]);
    let mut result: TaskResult<i64> = TaskResult::new(Some(board), snapshot(before.clone())).unwrap();
    block_on(result.refresh()).unwrap();
    assert_eq!(result.return_value(), Ok(&7));
    assert_eq!((result.id(), result.task(), result.backend()), (before.id(), "callboard_tasks.add", "default"));
    assert_eq!((result.args(), result.is_duplicate()), (serde_json::json!({"a": 2, "b": 3}), false));
}

#[test]
fn a_refresh_shows_that_a_waiting_job_was_rescheduled() {
    let before = job(add::with(2, 3));
    let mut after = before.clone();
    Arc::make_mut(&mut after.spec).queue = "math".into();
    Arc::make_mut(&mut after.spec).priority = 9;
    let board = FakeBoard::answering([Ok(snapshot(after))]);
    let mut result: TaskResult<i64> = TaskResult::new(Some(board), snapshot(before)).unwrap();
    block_on(result.refresh()).unwrap();
    assert_eq!((result.queue(), result.priority()), ("math", 9));
}

// Django 55
#[test]
fn a_refresh_that_fails_leaves_the_result_and_can_be_tried_again() {
    let before = job(add::with(2, 3));
    let id = before.id();
    let board = FakeBoard::answering([
        Err(Error::NotFound(id)),
        Err(Error::Pruned(id)),
        Ok(snapshot(succeeded(before.clone(), "\"not a number\""))),
        Ok(snapshot(succeeded(before.clone(), "5"))),
    ]);
    let mut result: TaskResult<i64> = TaskResult::new(Some(board), snapshot(before.clone())).unwrap();
    assert!(matches!(block_on(result.refresh()), Err(Error::NotFound(of)) if of == id));
    assert!(matches!(block_on(result.refresh()), Err(Error::Pruned(of)) if of == id));
    assert!(matches!(block_on(result.refresh()), Err(Error::ReturnType { id: of, .. }) if of == id));
    assert_eq!(result.job(), &before);
    block_on(result.refresh()).unwrap();
    assert_eq!(result.return_value(), Ok(&5));
}

// Django 68
#[test]
fn a_result_of_a_backend_that_keeps_none_cannot_be_refreshed() {
    let unsupported = block_on(result(job(add::with(2, 3))).refresh()).unwrap_err();
    let text = "the backend \"default\" does not support retrieving or refreshing results";
    assert_eq!(unsupported.to_string(), text);
}

#[test]
fn waiting_gives_the_finished_result() {
    let before = job(add::with(2, 3));
    let board = FakeBoard::answering([Ok(snapshot(succeeded(before.clone(), "5")))]);
    let result: TaskResult<i64> = TaskResult::new(Some(board), snapshot(before)).unwrap();
    assert_eq!(block_on(result.wait(SECOND)).unwrap().return_value(), Ok(&5));
}

#[test]
fn waiting_for_a_finished_job_asks_nobody() {
    let board = FakeBoard::answering([]);
    let done = snapshot(succeeded(job(add::with(2, 3)), "5"));
    let result: TaskResult<i64> = TaskResult::new(Some(Arc::clone(&board) as Arc<dyn Board>), done).unwrap();
    assert!(block_on(result.wait(Duration::ZERO)).is_ok());
    assert!(board.asked.lock().is_empty());
}

#[test]
fn waiting_in_vain_ends_as_a_timeout() {
    let before = job(add::with(2, 3));
    let board = FakeBoard::answering([Ok(snapshot(before.clone()))]);
    let result: TaskResult<i64> = TaskResult::new(Some(board), snapshot(before)).unwrap();
    assert!(matches!(block_on(result.wait(SECOND)), Err(WaitError::Timeout)));
}
