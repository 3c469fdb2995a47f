//! The order of ends among several connections: what is being committed is waited for, what never comes is counted.

use callboard::JobId;
use callboard::store::Store;
use callboard_tasks::Followed;
use futures::executor::block_on;

use super::handles::Handles;
use super::server::{Held, server};
use super::world::{claim, open, put, register, spec, success, until};

fn follow(store: &dyn Store, mark: Option<u64>) -> Followed {
    block_on(store.follow(mark, 1_000)).unwrap()
}

fn end_one(store: &dyn Store) -> JobId {
    let worker = register(store);
    put(store, &spec());
    let job = claim(store, worker, 1).remove(0);
    assert!(block_on(store.finish(vec![success(&job, "1")])).unwrap()[0].is_accepted());
    job.id()
}

/// A statement of another process that writes the end of this job and is not committed.
fn hold_an_end(handles: &Handles, id: JobId) -> Held {
    Held::begin(server(), &format!("SELECT {}.unwatch(ARRAY['{id}'::uuid])", handles.schema))
}

#[test]
fn an_end_that_is_being_committed_is_waited_for() {
    let handles = open();
    let mark = follow(&handles, None).mark;
    let first = spec().id;
    let held = hold_an_end(&handles, first);
    let second = end_one(&handles);
    let told = follow(&handles, Some(mark));
    assert_eq!((told.ids, told.mark, told.missed), (Vec::new(), mark, None), "it would come before this one");
    held.commit();
    let told = follow(&handles, Some(mark));
    assert_eq!((told.ids, told.missed), (vec![first, second], None));
}

#[test]
fn an_end_that_is_never_committed_holds_nobody_up_for_long_and_is_counted() {
    let handles = open();
    let mark = follow(&handles, None).mark;
    let mut held = hold_an_end(&handles, spec().id);
    held.run("ROLLBACK");
    let second = end_one(&handles);
    until("it is given up", || !follow(&handles, Some(mark)).ids.is_empty());
    let told = follow(&handles, Some(mark));
    assert_eq!((told.ids, told.missed), (vec![second], Some(1)));
}

#[test]
fn who_is_too_slow_is_told_how_many_were_missed() {
    let handles = open();
    let mark = follow(&handles, None).mark;
    let flood = Followed::KEPT + Followed::KEPT / 5;
    handles.sql(&format!("INSERT INTO {{s}}.ended (id) SELECT gen_random_uuid() FROM generate_series(1, {flood})"));
    let told = follow(&handles, Some(mark));
    assert_eq!((told.ids.len(), told.missed), (1_000, Some(flood - Followed::KEPT)));
    assert_eq!(handles.number("SELECT count(*) FROM {s}.ended"), Followed::KEPT as i64, "no more are kept");
    assert_eq!(follow(&handles, Some(told.mark)).missed, None);
}

#[test]
fn while_nobody_follows_nothing_is_written() {
    let handles = open();
    end_one(&handles);
    assert_eq!(handles.number("SELECT count(*) FROM {s}.ended"), 0);
    follow(&handles, None);
    end_one(&handles);
    assert_eq!(handles.number("SELECT count(*) FROM {s}.ended"), 1);
}
