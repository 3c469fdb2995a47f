use super::support::{add, job};
use crate::{Phase, WaitFor};

#[test]
fn waiting_for_the_end_is_met_by_each_end_and_by_nothing_else() {
    let mut job = job(add::with(1, 2));
    for phase in Phase::ALL {
        job.state.phase = phase;
        assert_eq!(WaitFor::Finished.is_met(&job), phase.is_finished(), "{phase}");
    }
}

#[test]
fn waiting_for_a_change_is_met_by_a_larger_version_or_the_end() {
    let mut job = job(add::with(1, 2));
    job.state.version = 3;
    assert!(WaitFor::ChangeAfter(2).is_met(&job));
    assert!(!WaitFor::ChangeAfter(3).is_met(&job));
    assert!(!WaitFor::ChangeAfter(4).is_met(&job));
    job.state.phase = Phase::Failed;
    assert!(WaitFor::ChangeAfter(4).is_met(&job));
}
