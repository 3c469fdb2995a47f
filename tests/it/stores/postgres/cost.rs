//! What things cost, in pages and transactions rather than in time.

use callboard::store::postgres::{PostgresOptions, PostgresStore};
use callboard::store::{Beat, Control, Filter, JobSpec, Page, QueueLimits, Store};
use callboard::{JobId, Status};
use futures::executor::block_on;

use super::handles::Handles;
use super::private::Private;
use super::server::{self, Database};
use super::world::{LEASE, claim, open, put, register, spec, until};

/// How many pages an empty claim and then a claim of one job touch. A connection's own catalogue look-ups are not in
/// it: the claim is made twice before.
fn pages(handles: &Handles, worker: &str) -> i64 {
    let s = &handles.schema;
    let text = format!(
        "DO $$ BEGIN FOR n IN 1..7 LOOP PERFORM count(*) FROM {s}.claim('{worker}', 1, NULL, NULL, NULL, 1); END LOOP; END $$; \
         EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT count(*) FROM {s}.claim('{worker}', 1, NULL, NULL, NULL, 1)"
    );
    let rows = server::run(&handles.url, &text);
    let plan: serde_json::Value = serde_json::from_str(rows[0][0].as_deref().unwrap()).unwrap();
    let plan = &plan[0]["Plan"];
    plan["Shared Hit Blocks"].as_i64().unwrap() + plan["Shared Read Blocks"].as_i64().unwrap()
}

/// Jobs that nobody can run are in nobody's way. They have a database of their own, for in a shared one everybody's
/// transactions keep the dead from being swept.
#[test]
fn a_hundred_thousand_parked_jobs_do_not_slow_a_claim() {
    let database = Database::create();
    let handles = block_on(Handles::open(server::fresh(&database.url()), 1));
    let worker = register(&handles);
    handles.sql("ANALYZE {s}.waiting, {s}.running, {s}.job");
    let empty = pages(&handles, &worker.to_string());
    handles.sql(
        "INSERT INTO {s}.job (id, enqueued_at, priority, task, queue, args) \
         SELECT {s}.new_id(now()), now(), 0, 'nobody.knows', 'default', '{}' FROM generate_series(1, 100000); \
         INSERT INTO {s}.waiting (id, at, phase, rank, queue, task) \
         SELECT id, now(), 2, 0, queue, task FROM {s}.job",
    );
    block_on(handles.control(Control::Park)).unwrap();
    assert_eq!(handles.number("SELECT count(*) FROM {s}.waiting WHERE phase = 3"), 100_000);
    // The line's index holds the dead entries of what was parked until they are swept, as they soon are.
    until("they are swept, and a claim costs what it did", || {
        handles.sql("VACUUM {s}.waiting");
        pages(&handles, &worker.to_string()) <= 2 * empty
    });
    put(&handles, &spec());
    assert_eq!(claim(&handles, worker, 9).len(), 1);
}

/// What a full key holds back is in nobody's way, however much it is: a claim looks at a part of it.
#[test]
fn a_hundred_thousand_jobs_of_a_full_key_do_not_slow_a_claim() {
    let handles = open();
    let worker = register(&handles);
    let limits = QueueLimits { key_concurrency: Some(1), ..QueueLimits::default() };
    block_on(handles.control(Control::Limit { queue: "default".into(), limits })).unwrap();
    put(&handles, &JobSpec { limit_key: Some("flood".into()), ..spec() });
    assert_eq!(claim(&handles, worker, 1).len(), 1);
    let flood = |count: usize| {
        handles.sql(&format!(
            "WITH flood AS (INSERT INTO {{s}}.job (id, enqueued_at, priority, task, queue, args) \
             SELECT {{s}}.new_id(now()), now(), 0, 'world.play', 'default', '{{}}' FROM generate_series(1, {count}) \
             RETURNING id) \
             INSERT INTO {{s}}.waiting (id, at, phase, rank, queue, task, limit_key) \
             SELECT id, now(), 2, 0, 'default', 'world.play', 'flood' FROM flood; ANALYZE {{s}}.waiting, {{s}}.running"
        ));
    };
    flood(5_000);
    let of_some = pages(&handles, &worker.to_string());
    flood(95_000);
    let of_many = pages(&handles, &worker.to_string());
    let quickest = (0..9).map(|_| {
        let begin = std::time::Instant::now();
        assert_eq!(claim(&handles, worker, 9).len(), 0);
        begin.elapsed()
    });
    let quickest = quickest.min().unwrap();
    println!("{of_some} pages behind 5,000 jobs, {of_many} behind 100,000; the quickest of 9 claims took {quickest:?}");
    // The first 500 jobs, and 1,024 further on where there are as many; a page each, for they were written by turns.
    assert!(of_many <= of_some + 2_048, "{of_many} pages against {of_some}");
    // Others behind them are found at once.
    let small = JobSpec { limit_key: Some("small".into()), ..spec() };
    put(&handles, &small);
    assert_eq!(claim(&handles, worker, 9)[0].id(), small.id);
}

/// Makes so many jobs that have ended: the oldest were cancelled, so many of them, and the others succeeded.
fn history(handles: &Handles, jobs: usize, cancelled: usize) {
    handles.sql(&format!(
        "INSERT INTO {{s}}.job (id, enqueued_at, priority, task, queue, args) \
         SELECT {{s}}.new_id(now()), now(), 0, 'world.play', 'default', '{{}}' FROM generate_series(1, {jobs}); \
         INSERT INTO {{s}}.done (id, finished_at, run, version, phase, stage, value, worker, claimed_at) \
         SELECT id, now(), 1, 3, CASE WHEN n <= {cancelled} THEN 9 ELSE 7 END, 0, 'null', id, now() \
         FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM {{s}}.job) j"
    ));
}

/// How many rows of jobs and of their ends are read along an index by a look that finds at least so many jobs.
fn rows_read(handles: &Handles, found: i64, look: impl FnOnce()) -> i64 {
    let fetched = "SELECT coalesce(sum(idx_tup_fetch), 0)::bigint FROM pg_stat_user_tables WHERE schemaname = '{s}' \
                   AND relname IN ('job', 'done')";
    let already = handles.number(fetched);
    look();
    // The server's counters come a little later.
    until("the rows are counted", || handles.number(fetched) - already >= 2 * found);
    handles.number(fetched) - already
}

/// What has ended is in nobody's way, however much it is.
#[test]
fn a_big_history_does_not_slow_a_claim() {
    let handles = open();
    let worker = register(&handles);
    let empty = pages(&handles, &worker.to_string());
    history(&handles, 200_000, 0);
    let full = pages(&handles, &worker.to_string());
    assert!(full <= 2 * empty, "{full} pages against {empty}");
}

/// A page from the midst of a list reads its own rows, not all that are newer.
#[test]
fn a_page_deep_in_a_list_costs_what_the_first_one_does() {
    const JOBS: usize = 20_000;
    let handles = open();
    history(&handles, JOBS, 0);
    let middle = handles.sql(&format!("SELECT id FROM {{s}}.job ORDER BY id LIMIT 1 OFFSET {}", JOBS / 2));
    let mut before: Option<JobId> = Some(middle[0][0].as_deref().unwrap().parse().unwrap());
    let read = rows_read(&handles, 5 * 100, || {
        for _ in 0..5 {
            let filter =
                Filter { status: Some(Status::Successful), queue: Some("default".into()), ..Filter::default() };
            let listing = block_on(handles.list(filter, Page { limit: 100, before })).unwrap();
            assert_eq!(listing.jobs.len(), 100);
            before = listing.next;
        }
    });
    assert!(read <= 5_000, "{read} rows were read for five pages of a hundred");
}

/// The few that did not end well are found without a look at the many that did.
#[test]
fn a_list_of_failures_reads_no_successes() {
    let handles = open();
    history(&handles, 20_000, 10);
    let read = rows_read(&handles, 10, || {
        let filter = Filter { status: Some(Status::Failed), ..Filter::default() };
        let listing = block_on(handles.list(filter, Page { limit: 100, before: None })).unwrap();
        assert_eq!(listing.jobs.len(), 10);
    });
    assert!(read <= 100, "{read} rows were read for ten jobs");
}

/// How many transactions a database of its own has seen of a store that was opened, beat so often and was closed.
fn transactions_of(server: &Private, name: &str, beats: usize) -> i64 {
    let server = server.options().url;
    server::run(&server, &format!("CREATE DATABASE {name}"));
    let (address, _) = server.rsplit_once('/').unwrap();
    let store = block_on(PostgresStore::open(PostgresOptions::new(format!("{address}/{name}")))).unwrap();
    let worker = register(&store);
    for _ in 0..beats {
        block_on(store.beat(Beat { worker, lease: LEASE })).unwrap();
    }
    block_on(store.close());
    // A connection hands its numbers in when it ends.
    let connections = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'");
    until("its connections have ended", || server::run(&server, &connections)[0][0].as_deref() == Some("0"));
    let count = format!("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = '{name}'");
    server::run(&server, &count)[0][0].as_deref().unwrap().parse().unwrap()
}

/// A process that is idle beats, and nothing else: a transaction for each, as the database counts them.
#[test]
fn a_beat_is_one_transaction() {
    // Elsewhere the server's own sweepers are counted too.
    let server = Private::start(|_| vec!["autovacuum=off".into()]);
    let (one, many) = (transactions_of(&server, "one", 1), transactions_of(&server, "many", 41));
    assert_eq!(many - one, 40, "{one} with one beat, {many} with 41");
}
