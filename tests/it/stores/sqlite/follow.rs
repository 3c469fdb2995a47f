//! The order of ends in the file: bounded, and written only while somebody follows.

use callboard::JobId;
use callboard::store::sqlite::SqliteStore;
use callboard::store::{Ending, Json, Outcome, Store};
use callboard_tasks::Followed;
use futures::executor::block_on;

use super::support::{claim, put, register, spec, with_store};

fn end_one(store: &SqliteStore) -> JobId {
    let worker = register(store);
    put(store, spec());
    let job = claim(store, worker, 1).remove(0);
    let ending = Ending::Succeeded(Json::null());
    let outcome = Outcome { id: job.id(), run: job.state.run, started_at: None, ending, logs: Vec::new() };
    assert!(block_on(store.finish(vec![outcome])).unwrap()[0].is_accepted());
    job.id()
}

/// One number that a statement answers.
fn number(store: &SqliteStore, sql: &'static str) -> i64 {
    block_on(store.inspect(move |connection| connection.query_row(sql, [], |row| row.get(0)).unwrap())).unwrap()
}

#[test]
fn who_is_too_slow_is_told_how_many_were_missed() {
    let (_folder, store) = with_store();
    let mark = block_on(store.follow(None, 9)).unwrap().mark;
    let first = end_one(&store);
    let flood = Followed::KEPT + Followed::KEPT / 5;
    let sql = format!(
        "WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < {flood})
         INSERT INTO callboard_ended (n, id) SELECT n, randomblob(16) FROM n;
         UPDATE callboard_follow SET last = {flood}"
    );
    block_on(store.inspect(move |connection| connection.execute_batch(&sql).unwrap())).unwrap();
    assert_eq!(block_on(store.follow(Some(mark), 1)).unwrap().ids, [first]);
    // The next end throws away what is too much.
    end_one(&store);
    let told = block_on(store.follow(Some(mark), 1_000)).unwrap();
    assert_eq!((told.ids.len(), told.missed), (1_000, Some(flood + 1 - Followed::KEPT)));
    assert_eq!(number(&store, "SELECT count(*) FROM callboard_ended"), Followed::KEPT as i64);
    assert_eq!(block_on(store.follow(Some(told.mark), 9)).unwrap().missed, None);
}

#[test]
fn while_nobody_follows_nothing_is_written() {
    let (_folder, store) = with_store();
    end_one(&store);
    assert_eq!(number(&store, "SELECT count(*) FROM callboard_ended"), 0);
    block_on(store.follow(None, 9)).unwrap();
    end_one(&store);
    assert_eq!(number(&store, "SELECT count(*) FROM callboard_ended"), 1);
}

/// To ask again and again costs no writes but one each ten seconds.
#[test]
fn to_follow_writes_seldom() {
    let (_folder, store) = with_store();
    let mark = block_on(store.follow(None, 9)).unwrap().mark;
    let before = store.commits();
    for _ in 0..50 {
        block_on(store.follow(Some(mark), 9)).unwrap();
    }
    assert_eq!(store.commits(), before);
}
