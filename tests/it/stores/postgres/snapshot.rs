//! Under a transaction that sees the past: what has gone cannot be swept away, and whoever looks at a line from its
//! start steps over all of it. Each case has a database of its own, for such a transaction keeps all of one unswept.

use std::sync::Arc;

use callboard::store::{Beat, Ending, Fate, JobSpec, Outcome, Store};
use callboard_tasks::{JobId, Timestamp, WorkerId};
use futures::executor::block_on;

use super::handles::Handles;
use super::server::{Database, Held, fresh};
use super::world::{LEASE, claim, open, put, put_all, register, spec, success, until};

/// How many jobs go, to leave dead entries behind: well beyond what makes a store look where its lines begin.
const GONE: usize = 4_000;
const BATCH: usize = 500;

/// A transaction that sees all that is there now, for as long as it is open.
fn hold(handles: &Handles) -> Held {
    let look =
        format!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM {}.waiting", handles.schema);
    Held::begin(&handles.url, &look)
}

fn fill(handles: &Handles, jobs: usize) {
    for _ in 0..jobs / 1_000 {
        put_all(handles, (0..1_000).map(|_| Arc::new(spec())).collect());
    }
}

/// Claims and ends jobs; how many.
fn drain(handles: &Handles, worker: WorkerId, batches: usize) -> usize {
    let mut ended = 0;
    for _ in 0..batches {
        let jobs = claim(handles, worker, BATCH);
        let outcomes: Vec<_> = jobs.iter().map(|job| success(job, "1")).collect();
        let fates = block_on(handles.finish(outcomes)).unwrap();
        ended += fates.iter().filter(|fate| matches!(fate, Fate::Accepted { .. })).count();
    }
    ended
}

/// A store whose line has dead entries in front that nobody can sweep away, with `left` jobs behind them, and that has
/// found where the line begins since.
fn worn(left: usize) -> (Database, Handles, WorkerId, Held) {
    let database = Database::create();
    let handles = block_on(Handles::open(fresh(&database.url()), 1));
    let worker = register(&handles);
    fill(&handles, GONE + left);
    let held = hold(&handles);
    assert_eq!(drain(&handles, worker, GONE / BATCH), GONE);
    (database, handles, worker, held)
}

/// A job that is older than all others.
fn old() -> JobSpec {
    JobSpec { enqueued_at: Timestamp::UNIX_EPOCH, ..spec() }
}

/// Claims until that job comes; others may come as well.
fn comes(handles: &Handles, worker: WorkerId, id: JobId) {
    until("the job is claimed", || claim(handles, worker, 10).iter().any(|job| job.id() == id));
}

/// Claims and beats step over what has gone once, not each time.
#[test]
fn a_line_is_not_walked_again_and_again_from_its_dead_start() {
    let (_database, handles, worker, held) = worn(2_000);
    let walked = "SELECT coalesce(sum(idx_tup_read), 0)::bigint FROM pg_stat_user_indexes \
                  WHERE schemaname = '{s}' AND indexrelname = 'waiting_line'";
    let count = || {
        // What a connection has counted it hands in after a second, with its next statement.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        claim(&handles, worker, 0);
        block_on(handles.beat(Beat { worker, lease: LEASE })).unwrap();
        handles.number(walked)
    };
    let before = count();
    const CLAIMS: usize = 40;
    for _ in 0..CLAIMS {
        assert_eq!(claim(&handles, worker, 10).len(), 10);
        block_on(handles.beat(Beat { worker, lease: LEASE })).unwrap();
    }
    let steps = usize::try_from(count() - before).unwrap();
    // From the start it would be twice `GONE` for each claim and once for each beat.
    assert!(steps < CLAIMS * GONE, "{steps} steps for {CLAIMS} claims and beats");
    drop(held);
}

/// The commit was late: others have been claimed meanwhile that are younger.
#[test]
fn a_job_whose_commit_was_late_is_found_behind_the_head() {
    let (_database, handles, worker, held) = worn(1_000);
    let late = spec();
    let insert = format!(
        "SELECT {s}.enqueue(id => '{id}', task => '{task}', queue => '{queue}', notify => false); \
         UPDATE {s}.waiting SET at = '2020-01-01' WHERE id = '{id}'",
        s = handles.schema,
        id = late.id,
        task = late.task,
        queue = late.queue
    );
    let transaction = Held::begin(&handles.url, &insert);
    assert_eq!(drain(&handles, worker, 2), 1_000);
    assert!(claim(&handles, worker, 10).is_empty());
    transaction.commit();
    comes(&handles, worker, late.id);
    drop(held);
}

/// What this process itself enqueues is seen by its very next claim, however old it says it is.
#[test]
fn a_job_that_is_older_than_the_head_is_claimed_next() {
    let (_database, handles, worker, held) = worn(1_000);
    let job = old();
    put(&handles, &job);
    assert_eq!(claim(&handles, worker, 1)[0].id(), job.id);
    drop(held);
}

/// A job that was claimed and is given back stands where it stood.
#[test]
fn a_job_that_is_handed_back_is_claimed_next() {
    let (_database, handles, worker, held) = worn(1_000);
    let job = claim(&handles, worker, 1).remove(0);
    assert_eq!(drain(&handles, worker, 1), BATCH);
    let back =
        Outcome { id: job.id(), run: job.state.run, started_at: None, ending: Ending::HandBack, logs: Vec::new() };
    block_on(handles.finish(vec![back])).unwrap();
    assert_eq!(claim(&handles, worker, 1)[0].id(), job.id());
    drop(held);
}

/// A better priority has a line of its own, which begins at its start.
#[test]
fn an_urgent_job_is_claimed_next() {
    let (_database, handles, worker, held) = worn(1_000);
    let urgent = JobSpec { priority: 5, ..spec() };
    put(&handles, &urgent);
    assert_eq!(claim(&handles, worker, 1)[0].id(), urgent.id);
    let elsewhere = JobSpec { queue: "another".into(), ..spec() };
    put(&handles, &elsewhere);
    assert!(claim(&handles, worker, 100).iter().any(|job| job.id() == elsewhere.id));
    drop(held);
}

/// A scheduled job whose time has come may be due before those that were claimed last.
#[test]
fn a_job_whose_time_has_come_is_found_before_the_head() {
    let (_database, handles, worker, held) = worn(1_000);
    let scheduled = JobSpec { run_after: Some("2999-01-01T00:00:00Z".parse().unwrap()), ..spec() };
    put(&handles, &scheduled);
    handles.sql(&format!("UPDATE {{s}}.waiting SET at = '2020-01-01' WHERE id = '{}'", scheduled.id));
    assert_eq!(claim(&handles, worker, 1)[0].id(), scheduled.id);
    drop(held);
}

/// A process that starts when all has been claimed by another finds that out, and then what is enqueued next.
#[test]
fn a_new_process_learns_where_an_exhausted_line_begins() {
    let (_database, handles, worker, held) = worn(0);
    assert!(claim(&handles, worker, 10).is_empty());
    let mut options = fresh(&handles.url);
    options.schema = handles.schema.clone();
    let other = block_on(callboard::store::postgres::PostgresStore::open(options)).unwrap();
    let newcomer = register(&other);
    assert!(claim(&other, newcomer, 10).is_empty());
    let job = old();
    put(&handles, &job);
    until("the job is claimed", || claim(&other, newcomer, 10).iter().any(|claimed| claimed.id() == job.id));
    block_on(other.close());
    drop(held);
}

/// The many rows that count ends are put together, and say the same.
#[test]
fn the_tally_is_folded_and_stays_true() {
    let handles = open();
    let worker = register(&handles);
    put_all(&handles, (0..10).map(|_| Arc::new(spec())).collect());
    assert_eq!(drain(&handles, worker, 1), 10);
    handles.sql(
        "INSERT INTO {s}.tally (queue, task, phase, hour, jobs) \
         SELECT queue, task, phase, hour, CASE n % 2 WHEN 0 THEN 1 ELSE -1 END \
         FROM {s}.tally, generate_series(1, 2000) AS n",
    );
    handles.sql("SELECT {s}.fold()");
    assert_eq!(handles.number("SELECT count(*) FROM {s}.tally"), 1);
    assert_eq!(handles.number("SELECT sum(jobs) FROM {s}.tally"), 10);
}
