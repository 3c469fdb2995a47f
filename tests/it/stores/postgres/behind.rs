//! The suite behind heads: claims begin where the last one ended, from the first job on and not only where many dead
//! entries stand in front. Whatever comes to stand before a head, by whatever way, must be found by the next claim.

use std::sync::Arc;
use std::time::Duration;

use callboard::store::{Beat, Change, Control, Job, JobSpec, Store};
use callboard_tasks::conformance::{self, Setup};
use callboard_tasks::{Clock, JobId, Timestamp, WorkerId};
use futures::executor::block_on;
use jiff::ToSpan;

use super::handles::Handles;
use super::server::{Held, server};
use super::world::{LEASE, TASK, claim, open_under, put, register, spec};

/// Has claims make heads of whatever they took.
fn begin_behind(handles: &Handles) {
    let claims = handles.number(
        "SELECT count(*) FROM pg_proc p, LATERAL (SELECT pg_get_functiondef(p.oid) AS was) f \
         WHERE p.oid = '{s}.claim'::regproc AND f.was LIKE '%- before > 1000 + 2 * cardinality(picked)%'",
    );
    assert_eq!(claims, 1, "the condition for heads is written otherwise");
    handles.sql(
        "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('{s}.claim'::regproc), \
         '- before > 1000 + 2 * cardinality(picked)', '- before >= 0'); END $$",
    );
}

async fn open(setup: Setup) -> Arc<dyn Store> {
    let handles = Handles::open(super::options(&setup, server()), 1).await;
    begin_behind(&handles);
    Arc::new(handles)
}

/// A store behind heads, by a clock that stands still, with a worker.
fn stage() -> (Handles, WorkerId, Clock) {
    let clock = Clock::manual(Timestamp::now());
    let handles = open_under(clock.clone());
    begin_behind(&handles);
    let worker = register(&handles);
    (handles, worker, clock)
}

/// A job with a later time is claimed, so that the line begins behind the present.
fn claim_a_later_one(handles: &Handles, worker: WorkerId, clock: &Clock) {
    let later = JobSpec { enqueued_at: clock.now() + 1.hour(), ..spec() };
    put(handles, &later);
    assert_eq!(claim(handles, worker, 9).iter().map(Job::id).collect::<Vec<_>>(), [later.id]);
}

fn next(handles: &Handles, worker: WorkerId) -> Option<JobId> {
    claim(handles, worker, 9).first().map(Job::id)
}

#[test]
fn a_store_does_what_the_model_says() {
    conformance::run(open, conformance::invariants::a_store_does_what_the_model_says);
}

/// Somebody held it for a moment: claims passed over it, and it stands where it stood.
#[test]
fn a_job_that_could_not_be_changed_is_claimed_next() {
    let (handles, worker, clock) = stage();
    let held = spec();
    put(&handles, &held);
    let lock = format!("SELECT FROM {}.waiting WHERE id = '{}' FOR UPDATE", handles.schema, held.id);
    let holds = Held::begin(&handles.url, &lock);
    claim_a_later_one(&handles, worker, &clock);
    holds.commit();
    assert_eq!(next(&handles, worker), None, "it stands before the head, or this shows nothing");
    block_on(handles.change(held.id, Change::Retry)).unwrap_err();
    assert_eq!(next(&handles, worker), Some(held.id));
}

/// Parking makes jobs ready whose time has come, to see whether anybody can run them.
#[test]
fn a_job_that_became_due_while_others_were_parked_is_claimed_next() {
    let (handles, worker, clock) = stage();
    let scheduled = JobSpec { run_after: Some(clock.now() + 60.seconds()), ..spec() };
    put(&handles, &scheduled);
    claim_a_later_one(&handles, worker, &clock);
    clock.advance(Duration::from_secs(61));
    block_on(handles.beat(Beat { worker, lease: LEASE })).unwrap();
    block_on(handles.control(Control::Park)).unwrap();
    assert_eq!(next(&handles, worker), Some(scheduled.id));
}

/// The lease had ended, so its jobs were parked; with the beat they stand where they stood.
#[test]
fn a_job_that_a_beat_brings_back_is_claimed_next() {
    let (handles, worker, clock) = stage();
    let parked = spec();
    put(&handles, &parked);
    clock.advance(LEASE);
    block_on(handles.control(Control::Park)).unwrap();
    claim_a_later_one(&handles, worker, &clock);
    block_on(handles.beat(Beat { worker, lease: LEASE })).unwrap();
    assert_eq!(next(&handles, worker), Some(parked.id));
}

/// The worker learns another task.
#[test]
fn a_job_whose_task_has_come_is_claimed_next() {
    let (handles, worker, clock) = stage();
    let foreign = JobSpec { task: "world.sing".into(), ..spec() };
    put(&handles, &foreign);
    claim_a_later_one(&handles, worker, &clock);
    let tasks = vec![TASK.into(), "world.sing".into()];
    block_on(handles.control(Control::Register { worker, lease: LEASE, tasks })).unwrap();
    assert_eq!(next(&handles, worker), Some(foreign.id));
}
