//! What a bulk action may be asked for, and what belongs to it.

use std::sync::Arc;

use super::support::{self, ping};
use crate::{
    Bulk, BulkAction, BulkReport, BulkScope, Filter, InvalidMove, Job, JobId, Move, Phase, Status, StoreError,
    Timestamp,
};

fn of(status: Option<Status>, phase: Option<Phase>) -> Filter {
    Filter { status, phase, ..Filter::default() }
}

fn pointers(bulk: &Bulk) -> Vec<String> {
    bulk.check().err().into_iter().flatten().map(|problem| problem.pointer).collect()
}

#[test]
fn an_action_suits_the_phases_that_can_take_its_step() {
    for phase in Phase::ALL {
        let runs = matches!(phase, Phase::Running | Phase::Cancelling);
        assert_eq!(BulkAction::Retry.suits(phase), phase.is_finished(), "{phase}");
        assert_eq!(BulkAction::Cancel.suits(phase), !phase.is_finished(), "{phase}");
        assert_eq!(BulkAction::Delete.suits(phase), !runs, "{phase}");
    }
}

#[test]
fn what_would_touch_everything_must_be_asked_for() {
    for bulk in [Bulk::cancel(Filter::default()), Bulk::delete(Filter::default())] {
        assert_eq!(pointers(&bulk), ["#/filter"]);
        assert!(bulk.check().unwrap_err()[0].detail.contains(r#"`"all": true`"#));
        assert_eq!(pointers(&bulk.all()), [""; 0]);
    }
    let narrow = Filter { queue: Some("mail".into()), ..Filter::default() };
    assert_eq!(pointers(&Bulk::delete(narrow.clone())), [""; 0]);
    assert_eq!(pointers(&Bulk::delete(narrow).all()), ["#/all"]);
}

#[test]
fn what_no_such_job_can_take_is_refused_with_what_could() {
    let refused = |bulk: Bulk| bulk.check().unwrap_err().remove(0);
    let problem = refused(Bulk::retry(of(Some(Status::Running), None)));
    assert_eq!(problem.pointer, "#/filter/status");
    assert_eq!(problem.detail, "is RUNNING, and no such task can take retry; give SUCCESSFUL or FAILED");
    let problem = refused(Bulk::cancel(of(Some(Status::Failed), None)));
    assert!(problem.detail.ends_with("give READY or RUNNING"), "{}", problem.detail);
    let problem = refused(Bulk::delete(of(None, Some(Phase::Cancelling))));
    assert_eq!(problem.pointer, "#/filter/phase");
    assert!(problem.detail.contains("quarantined") && !problem.detail.contains("running"), "{}", problem.detail);
    assert_eq!(pointers(&Bulk::retry(of(None, Some(Phase::Ready)))), ["#/filter/phase"]);
}

#[test]
fn a_retry_says_which_of_the_finished_ones() {
    let queue = Filter { queue: Some("mail".into()), ..Filter::default() };
    assert_eq!(pointers(&Bulk::retry(queue.clone())), ["#/filter/status"]);
    assert_eq!(pointers(&Bulk::retry(Filter::default())), ["#/filter", "#/filter/status"]);
    for filter in [of(Some(Status::Failed), None), of(None, Some(Phase::Expired))] {
        assert_eq!(pointers(&Bulk::retry(Filter { queue: queue.queue.clone(), ..filter })), [""; 0]);
    }
}

#[test]
fn a_cancellation_looks_at_what_has_not_finished_alone() {
    let passes = |bulk: Bulk| bulk.passes().iter().map(|filter| filter.status).collect::<Vec<_>>();
    assert_eq!(passes(Bulk::cancel(Filter::default()).all()), [Some(Status::Ready), Some(Status::Running)]);
    assert_eq!(passes(Bulk::cancel(of(None, Some(Phase::Scheduled)))), [None]);
    assert_eq!(passes(Bulk::delete(Filter::default()).all()), [None]);
}

fn job(task: &'static str) -> Job {
    let mut job = support::job(ping::with());
    Arc::make_mut(&mut job.spec).task = task.into();
    job
}

#[test]
fn bulk_actions_are_left_alone_unless_they_are_named() {
    let own = job("callboard.bulk");
    let scope = BulkScope { own: &own, task: "callboard.bulk", first_run: true };
    let other = job("callboard.bulk");
    assert!(!scope.takes(&other, &Filter::default()));
    assert!(scope.takes(&other, &Filter { task: Some("callboard.bulk".into()), ..Filter::default() }));
    assert!(scope.takes(&job("shop.pay"), &Filter::default()));
    assert_eq!(scope.start(), own.id());
}

#[test]
fn a_later_run_leaves_alone_what_has_ended_since_the_beginning() {
    let own = job("callboard.bulk");
    let begun = own.spec.enqueued_at;
    let mut failed = job("shop.pay");
    for (at, first, later) in [
        (None, true, true),
        (Some(begun), true, true),
        (Some(begun + jiff::SignedDuration::from_micros(1)), true, false),
        (Some(Timestamp::MAX), true, false),
    ] {
        failed.state.finished_at = at;
        for (first_run, takes) in [(true, first), (false, later)] {
            let scope = BulkScope { own: &own, task: "callboard.bulk", first_run };
            assert_eq!(scope.takes(&failed, &Filter::default()), takes, "{at:?} {first_run}");
        }
    }
}

#[test]
fn what_became_of_each_is_counted_by_its_reason() {
    let id = JobId::new(Timestamp::UNIX_EPOCH);
    let mut report = BulkReport::default();
    let invalid = InvalidMove { from: Phase::Running, step: Move::Delete };
    for answer in [
        Ok(()),
        Err(StoreError::InvalidMove(invalid)),
        Err(StoreError::NotFound(id)),
        Err(StoreError::Pruned(id)),
        Err(StoreError::UniqueConflict { index: 0, existing: id }),
        Ok(()),
    ] {
        report.count(answer).unwrap();
    }
    assert!(report.count::<()>(Err(StoreError::Busy("locked".into()))).is_err(), "that says nothing of the job");
    assert_eq!(
        serde_json::to_value(&report).unwrap(),
        serde_json::json!({
            "matched": 6, "done": 2, "skipped": {"gone": 2, "invalid-transition": 1, "unique-conflict": 1},
        })
    );
}
