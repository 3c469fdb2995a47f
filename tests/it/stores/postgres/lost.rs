//! Calls with keys whose answers are lost: the store has committed, nobody hears of it, and whoever asks again gets the
//! same job, never a second one.

use std::sync::Arc;

use callboard::store::postgres::PostgresStore;
use callboard::store::{JobSpec, Placed, Store, StoreError, Unit};
use callboard_tasks::{Idempotency, JobId, Json, Unique};
use futures::executor::block_on;

use super::handles::Handles;
use super::loser::Loser;
use super::server::server;
use super::world::{TASK, spec};

/// More answers than are asked for as long as the store has patience.
const ALL: usize = 10_000;

struct Lossy {
    way: Loser,
    store: PostgresStore,
    /// The same schema, without losses.
    plain: Handles,
}

fn open() -> Lossy {
    let (way, lossy, plain) = Loser::open(server());
    let plain = block_on(Handles::open(plain, 1));
    Lossy { way, store: block_on(PostgresStore::open(lossy)).unwrap(), plain }
}

impl Lossy {
    fn enqueue(&self, unit: Unit) -> Result<Placed, StoreError> {
        block_on(self.store.enqueue(vec![unit])).remove(0)
    }

    fn jobs(&self) -> i64 {
        self.plain.number("SELECT count(*) FROM {s}.job")
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.way.heal();
        block_on(self.store.close());
    }
}

fn request(key: &str, jobs: usize) -> (Vec<JobId>, Unit) {
    let jobs: Vec<_> = (0..jobs).map(|_| Arc::new(spec())).collect();
    let ids = jobs.iter().map(|spec| spec.id).collect();
    (ids, Unit { idempotency: Some(Idempotency::new(key, b"the same")), ..Unit::new(jobs) })
}

fn unique(key: &str) -> (JobId, Unit) {
    let spec = spec();
    let key = Unique::by_key(key).key_of(TASK, &Json::null(), spec.enqueued_at);
    let spec = JobSpec { unique: Some(Box::new(key)), ..spec };
    (spec.id, Unit::new(vec![Arc::new(spec)]))
}

/// The store asks again by itself, and knows its own jobs.
#[test]
fn an_answer_that_is_lost_once_is_asked_for_again() {
    let lossy = open();
    let (_, unit) = request("first", 1);
    lossy.enqueue(unit).unwrap();
    lossy.way.lose("lost-once", 1);
    let (ids, unit) = request("lost-once", 3);
    assert_eq!(lossy.enqueue(unit).unwrap(), Placed::made(false), "made, and not found");
    assert_eq!((lossy.way.lost(), lossy.jobs()), (1, 4));
    let (_, again) = request("lost-once", 3);
    assert_eq!(lossy.enqueue(again).unwrap().replayed, Some(ids));

    lossy.way.lose("unique-once", 1);
    let (id, unit) = unique("unique-once");
    assert_eq!(lossy.enqueue(unit).unwrap(), Placed::made(false), "made, and not found");
    assert_eq!((lossy.way.lost(), lossy.jobs()), (2, 5));
    let (_, again) = unique("unique-once");
    assert_eq!(lossy.enqueue(again).unwrap().found[0].job.id(), id);
}

/// No answer comes as long as the store has patience; the caller is told so, and tries again later.
#[test]
fn a_request_that_is_never_answered_makes_its_jobs_once() {
    let lossy = open();
    lossy.way.lose("never", ALL);
    let (ids, unit) = request("never-answered", 2);
    let answer = lossy.enqueue(unit);
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(lossy.way.lost() > 1, "it has tried");
    assert_eq!(lossy.jobs(), 2, "and it was done");
    lossy.way.heal();
    for _ in 0..2 {
        let (_, again) = request("never-answered", 2);
        assert_eq!(lossy.enqueue(again).unwrap().replayed.as_ref(), Some(&ids));
    }
    assert_eq!(lossy.jobs(), 2);
}

/// The same for a unique key.
#[test]
fn a_unique_job_that_is_never_answered_is_made_once() {
    let lossy = open();
    lossy.way.lose("never", ALL);
    let (id, unit) = unique("never-answered");
    let answer = lossy.enqueue(unit);
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(lossy.way.lost() > 1, "it has tried");
    lossy.way.heal();
    for _ in 0..2 {
        let (_, again) = unique("never-answered");
        assert_eq!(lossy.enqueue(again).unwrap().found[0].job.id(), id);
    }
    assert_eq!(lossy.jobs(), 1);
}
