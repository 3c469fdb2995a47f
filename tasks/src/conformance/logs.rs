//! Lines of the log that attempts leave behind.

use super::*;
use crate::{Ending, Job, Json, LogLine, Outcome};

fn line(stage: &Stage, job: &Job, text: &str) -> LogLine {
    LogLine::new(text, job.state.attempts, stage.now())
}

async fn end_with(stage: &Stage, job: &Job, ending: Ending, logs: Vec<LogLine>) -> Job {
    let started_at = job.state.last_attempted_at;
    let outcome = Outcome { id: job.id(), run: job.state.run, started_at, ending, logs };
    assert!(stage.outcome(outcome).await.is_accepted());
    stage.read(job.id()).await
}

/// The lines come with the outcome, also of a job that is done with its first run.
pub async fn lines_are_kept_with_a_success(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let logs = vec![line(stage, &job, "one"), line(stage, &job, "zwei 🦀 \u{fffd}")];
    let value = Json::from_stored("5".into());
    let after = end_with(stage, &job, Ending::Succeeded(value.clone()), logs.clone()).await;
    assert_eq!((after.state.logs(), &after.state.return_value), (&logs[..], &Some(value)));
}

/// Those of earlier attempts stand before them.
pub async fn lines_of_all_attempts_are_kept_in_order(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let mut all = Vec::new();
    for attempt in 1..=3 {
        let job = stage.claim_one(worker).await;
        let line = line(stage, &job, &format!("attempt {attempt}"));
        all.push(line.clone());
        let after = end_with(stage, &job, stage.retry_in(SECOND, &job), vec![line]).await;
        assert_eq!(after.state.logs(), all);
        stage.advance(SECOND);
    }
    let job = stage.claim_one(worker).await;
    assert_eq!(job.state.logs(), all, "the next attempt can read them");
    assert_eq!(stage.succeed(&job).await.state.logs(), all);
}

/// A run that goes back keeps what it said.
pub async fn lines_of_a_run_that_is_handed_back_are_kept(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let logs = vec![line(stage, &job, "had to go")];
    assert_eq!(end_with(stage, &job, Ending::HandBack, logs.clone()).await.state.logs(), logs);
}

/// The last ones are kept.
pub async fn no_more_lines_are_kept_than_may(stage: &Stage) {
    const ATTEMPTS: usize = 3;
    const LINES: usize = LogLine::KEPT / 2 - 10;
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let long = "x".repeat(LogLine::MAX_MESSAGE - 10);
    for attempt in 0..ATTEMPTS {
        let job = stage.claim_one(worker).await;
        let logs = (0..LINES).map(|n| line(stage, &job, &format!("{long}{attempt}-{n}"))).collect();
        end_with(stage, &job, stage.retry_in(SECOND, &job), logs).await;
        stage.advance(SECOND);
    }
    let job = stage.claim_one(worker).await;
    let logs = job.state.logs();
    assert_eq!(logs.len(), LogLine::KEPT);
    let said = |n: usize| format!("x{}-{}", n / LINES, n % LINES);
    assert!(logs[LogLine::KEPT - 1].message.ends_with(&said(ATTEMPTS * LINES - 1)));
    assert!(logs[0].message.ends_with(&said(ATTEMPTS * LINES - LogLine::KEPT)));
}

/// A stale outcome says nothing.
pub async fn lines_of_a_stale_outcome_are_not_kept(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let after = stage.succeed(&job).await;
    let logs = vec![line(stage, &job, "late")];
    let ending = Ending::Succeeded(Json::null());
    let fate = stage.outcome(Outcome { id: job.id(), run: job.state.run, started_at: None, ending, logs }).await;
    assert!(!fate.is_accepted());
    assert_eq!(stage.read(job.id()).await, after);
}
