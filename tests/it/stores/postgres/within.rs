//! Enqueueing within somebody's own transaction, by Rust and by SQL, and what others hear of it.

use std::sync::Arc;

use callboard::store::postgres::{enqueue_in, to_sql};
use callboard::store::{Beat, Heard, JobState, Lookup, Store, Unit};
use callboard_tasks::{Backoff, Change, RetryPolicy};
use futures::executor::block_on;
use parking_lot::Mutex;
use tokio_postgres::NoTls;

use super::handles::Handles;
use super::server::{self, server};
use super::world::{LEASE, claim, open, put, read, register, spec, success, until};

/// A second store on the same schema.
fn other(handles: &Handles) -> callboard::store::postgres::PostgresStore {
    let mut options = server::fresh(server());
    options.schema = handles.schema.clone();
    block_on(callboard::store::postgres::PostgresStore::open(options)).unwrap()
}

type Heardlist = Arc<Mutex<Vec<Heard>>>;

fn listen(handles: &Handles, store: &dyn Store) -> Heardlist {
    let heard: Heardlist = Arc::default();
    let ear = Arc::clone(&heard);
    let before = handles.number("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN \"{s}.%'");
    store.listen(Arc::new(move |what| ear.lock().push(what)));
    until("it listens", || {
        handles.number("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN \"{s}.%'") > before
    });
    heard
}

/// Committed is enqueued, and heard; rolled back is as if it had never been.
#[test]
fn a_job_lives_and_dies_with_the_transaction_that_enqueues_it() {
    let handles = open();
    let heard = listen(&handles, &handles);
    let (kept, gone) = (spec(), spec());
    let schema = handles.schema.clone();
    let (keep, drop_it) = (Arc::new(kept.clone()), Arc::new(gone.clone()));
    server::block_on(async {
        let (mut client, connection) = tokio_postgres::connect(server(), NoTls).await.unwrap();
        let drive = tokio::spawn(connection);
        let transaction = client.transaction().await.unwrap();
        enqueue_in(&transaction, &schema, &[drop_it]).await.unwrap();
        transaction.rollback().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        enqueue_in(&transaction, &schema, &[keep]).await.unwrap();
        transaction.commit().await.unwrap();
        drive.abort();
    });
    until("the commit is heard", || heard.lock().contains(&Heard::Work));
    assert_eq!(read(&handles, kept.id).state, JobState::new(&kept));
    assert_eq!(block_on(handles.get(vec![gone.id])).unwrap(), [Lookup::Unknown]);
}

/// A statement for any driver says all that a job is.
#[test]
fn a_job_as_a_statement_is_the_same_job() {
    let handles = open();
    let mut job = spec();
    job.run_after = Some(job.enqueued_at + std::time::Duration::from_secs(3600));
    job.expires_at = Some(job.enqueued_at + std::time::Duration::from_secs(7200));
    job.priority = -7;
    job.tags = vec!["a".into(), "b".into()];
    job.timeout = Some(std::time::Duration::from_millis(1_500));
    job.retry = RetryPolicy { max_attempts: 3, backoff: Backoff::Fixed(std::time::Duration::from_secs(9)) };
    job.metadata = Some(callboard::store::Json::from_stored(r#"{"from": "x", "from": "y"}"#.into()));
    let (text, parameters) = to_sql(&handles.schema, &job);
    server::block_on(async {
        let (client, connection) = tokio_postgres::connect(server(), NoTls).await.unwrap();
        let drive = tokio::spawn(connection);
        let parameters: Vec<_> = parameters.iter().map(|p| p as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
        client.query(&text, &parameters).await.unwrap();
        drive.abort();
    });
    let mut found = (*read(&handles, job.id).spec).clone();
    assert!(found.enqueued_at >= job.enqueued_at, "it is enqueued when the statement runs");
    found.enqueued_at = job.enqueued_at;
    assert_eq!(found, job);
}

/// The plain function, as psql or another language calls it.
#[test]
fn the_sql_function_enqueues_with_its_defaults() {
    let handles = open();
    let worker = register(&handles);
    let id = handles.sql("SELECT {s}.enqueue('world.play', '{\"to\": \"x\"}', max_attempts => 4, timeout => '2.5 s')");
    let job = claim(&handles, worker, 9).remove(0);
    assert_eq!(Some(job.id().to_string()), id[0][0]);
    assert_eq!(job.id().as_uuid().get_version_num(), 7);
    assert_eq!((job.spec.queue.as_ref(), job.spec.priority), ("default", 0));
    assert_eq!((job.spec.retry.max_attempts, job.state.max_attempts), (4, 4));
    assert_eq!(job.spec.timeout, Some(std::time::Duration::from_millis(2_500)));
    assert_eq!(job.spec.args.as_str(), "{\"to\": \"x\"}");
}

/// Ids that the function makes are in the order of their making, to the millisecond.
#[test]
fn the_sql_function_makes_ids_in_order() {
    let handles = open();
    let ids = handles.sql("SELECT {s}.new_id('2026-01-01 00:00:00.001Z') < {s}.new_id('2026-01-01 00:00:00.002Z')");
    assert_eq!(ids[0][0].as_deref(), Some("t"));
}

/// Bad input names the field and the fix, and enqueues nothing.
#[test]
fn the_sql_function_refuses_bad_input_by_its_field() {
    let handles = open();
    for (arguments, field) in [
        ("'a b'", "task"),
        ("'a.b', queue => 'x y'", "queue"),
        ("'a.b', priority => 101", "priority"),
        ("'a.b', max_attempts => 0", "max_attempts"),
        ("'a.b', args => '[1]'", "args"),
        ("'a.b', metadata => '1'", "metadata"),
        ("'a.b', tags => ARRAY['a b']", "tags"),
        ("'a.b', timeout => '-1 s'", "timeout"),
    ] {
        let sql = format!("SELECT {}.enqueue({arguments})", handles.schema);
        let refused = server::block_on(async {
            let (client, connection) = tokio_postgres::connect(server(), NoTls).await.unwrap();
            let drive = tokio::spawn(connection);
            let refused = client.simple_query(&sql).await.unwrap_err();
            drive.abort();
            refused.as_db_error().unwrap().message().to_owned()
        });
        assert!(refused.contains(field), "{arguments}: {refused}");
    }
    assert_eq!(handles.number("SELECT count(*) FROM {s}.job"), 0);
}

/// Another process hears of work that waits, and not of work that was handed off; a process hears nothing of its own.
#[test]
fn other_processes_hear_of_work_that_waits() {
    let handles = open();
    let other = other(&handles);
    let (mine, theirs) = (listen(&handles, &handles), listen(&handles, &other));
    let worker = register(&handles);
    let _peer = register(&other);
    block_on(handles.beat(Beat { worker, lease: LEASE })).unwrap();
    put(&handles, &spec());
    until("the other hears", || theirs.lock().contains(&Heard::Work));
    assert_eq!(*mine.lock(), [], "its own notice is no news");
    block_on(other.close());
}

/// Alone, a process tells nobody.
#[test]
fn a_process_without_peers_sends_no_notices() {
    let handles = open();
    let heard = listen(&handles, &other(&handles));
    let stranger = other(&handles);
    let stranger_heard = listen(&handles, &stranger);
    let worker = register(&handles);
    block_on(handles.beat(Beat { worker, lease: LEASE })).unwrap();
    put(&handles, &spec());
    // What comes later on the same connection is heard after what came before.
    handles.sql("SELECT pg_notify('{s}.callboard', 'end of the test')");
    until("the end is heard", || stranger_heard.lock().contains(&Heard::Something));
    assert!(!stranger_heard.lock().contains(&Heard::Work));
    drop(heard);
    block_on(stranger.close());
}

/// Who watches a job hears of its end, whoever brings it about and however it ends.
#[test]
fn the_end_of_a_watched_job_is_heard() {
    let handles = open();
    let other = other(&handles);
    let (mine, theirs) = (listen(&handles, &handles), listen(&handles, &other));
    let worker = register(&handles);
    let (run, cancelled) = (spec(), spec());
    put(&handles, &run);
    block_on(other.watch(vec![run.id, cancelled.id])).unwrap();
    let job = claim(&handles, worker, 1).remove(0);
    block_on(handles.finish(vec![success(&job, "1")])).unwrap();
    until("the end is heard", || theirs.lock().contains(&Heard::Ended(vec![run.id])));
    put(&handles, &cancelled);
    block_on(handles.change(cancelled.id, Change::Cancel)).unwrap();
    until("the other end is heard", || theirs.lock().contains(&Heard::Ended(vec![cancelled.id])));
    assert!(mine.lock().contains(&Heard::Ended(vec![run.id])), "it is heard here too");
    assert_eq!(handles.number("SELECT count(*) FROM {s}.watch"), 0, "nobody watches what has ended");
    block_on(other.close());
}

/// Several units of several callers, and a hand-off among them.
#[test]
fn a_unit_may_be_handed_off_beside_one_that_waits() {
    let handles = open();
    let worker = register(&handles);
    let unit = |claim| Unit { jobs: vec![Arc::new(spec())], claim, idempotency: None };
    let claim = Some(callboard::store::Claim { worker });
    let placed = block_on(handles.enqueue(vec![unit(None), unit(claim), unit(None)]));
    let claimed: Vec<bool> = placed.into_iter().map(|placed| placed.unwrap().claimed).collect();
    assert_eq!(claimed, [false, true, false]);
}
