//! Who waits is told, once, and leaves nothing behind.

use std::sync::Arc;

use callboard_tasks::{Job, Phase, WaitFor, resolve, task};

use super::support::START;
use crate::waiters::Waiters;

#[task]
fn ping() {}

fn job(phase: Phase, version: u64) -> Job {
    let mut job = Job::new(Arc::new(resolve(ping::with().erase(), START).unwrap()));
    (job.state.phase, job.state.version) = (phase, version);
    job
}

fn with_version(job: &Job, phase: Phase, version: u64) -> Job {
    let mut job = job.clone();
    (job.state.phase, job.state.version) = (phase, version);
    job
}

#[test]
fn a_waiter_is_told_of_what_it_waits_for_and_of_nothing_else() {
    let waiters: Arc<Waiters> = Arc::default();
    let (ready, other) = (job(Phase::Ready, 1), job(Phase::Successful, 3));
    let mut waits = waiters.wait(ready.id(), WaitFor::Finished);
    waiters.announce(&other);
    waiters.announce(&with_version(&ready, Phase::Running, 2));
    assert!(waits.told.try_recv().is_err());
    let ended = with_version(&ready, Phase::Failed, 3);
    waiters.announce(&ended);
    assert_eq!(waits.told.try_recv().ok(), Some(Box::new(ended)));
}

#[test]
fn a_wait_for_a_change_is_met_by_a_later_version_alone() {
    let waiters: Arc<Waiters> = Arc::default();
    let ready = job(Phase::Ready, 4);
    let mut waits = waiters.wait(ready.id(), WaitFor::ChangeAfter(4));
    waiters.announce(&ready);
    assert!(waits.told.try_recv().is_err());
    waiters.announce(&with_version(&ready, Phase::Running, 5));
    assert_eq!(waits.told.try_recv().unwrap().state.version, 5);
}

#[test]
fn who_stops_waiting_leaves_nothing_behind() {
    let waiters: Arc<Waiters> = Arc::default();
    let jobs: Vec<_> = (0..100).map(|_| job(Phase::Ready, 1)).collect();
    let mut waits: Vec<_> = jobs.iter().map(|job| waiters.wait(job.id(), WaitFor::Finished)).collect();
    waits.extend(jobs.iter().map(|job| waiters.wait(job.id(), WaitFor::ChangeAfter(1))));
    assert_eq!((waiters.any(), waiters.jobs().1.len()), (true, 100));
    drop(waits);
    assert_eq!((waiters.any(), waiters.jobs().1.len()), (false, 0));
}

#[test]
fn who_was_told_leaves_nothing_behind() {
    let waiters: Arc<Waiters> = Arc::default();
    let ready = job(Phase::Ready, 1);
    let waits = [waiters.wait(ready.id(), WaitFor::Finished), waiters.wait(ready.id(), WaitFor::Finished)];
    waiters.announce(&with_version(&ready, Phase::Successful, 3));
    assert_eq!((waiters.any(), waiters.jobs().1.len()), (false, 0));
    drop(waits);
    assert!(!waiters.any());
}

#[test]
fn one_who_was_told_and_leaves_takes_no_other_along() {
    let waiters: Arc<Waiters> = Arc::default();
    let ready = job(Phase::Ready, 1);
    let told = waiters.wait(ready.id(), WaitFor::ChangeAfter(1));
    let running = with_version(&ready, Phase::Running, 2);
    waiters.announce(&running);
    // It has been told and has not looked yet; meanwhile another one comes to wait for the same job.
    let mut other = waiters.wait(ready.id(), WaitFor::Finished);
    drop(told);
    let ended = with_version(&ready, Phase::Successful, 3);
    waiters.announce(&ended);
    assert_eq!(other.told.try_recv().ok(), Some(Box::new(ended)));
    drop(other);
    assert!(!waiters.any());
}

#[test]
fn many_who_wait_for_one_job_come_and_go_each_for_itself() {
    let waiters: Arc<Waiters> = Arc::default();
    let ready = job(Phase::Ready, 1);
    let mut waits: Vec<_> = (0..10).map(|_| waiters.wait(ready.id(), WaitFor::Finished)).collect();
    for gone in [7, 3, 0] {
        drop(waits.remove(gone));
        waits.push(waiters.wait(ready.id(), WaitFor::Finished));
    }
    waiters.announce(&with_version(&ready, Phase::Successful, 3));
    assert!(waits.iter_mut().all(|waits| waits.told.try_recv().is_ok()));
}

#[test]
fn who_waits_for_a_job_that_is_gone_is_let_go() {
    let waiters: Arc<Waiters> = Arc::default();
    let ready = job(Phase::Ready, 1);
    let mut waits = waiters.wait(ready.id(), WaitFor::Finished);
    waiters.dismiss(ready.id());
    assert_eq!(waits.told.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Closed));
    assert!(!waiters.any());
}
