//! Broken connections and bad data: what is acknowledged is there, what is refused is refused alone.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use callboard::store::{Beat, Claim, Fate, Heard, JobSpec, Json, Store, StoreError, Unit};
use callboard_tasks::{JobId, Phase};
use futures::executor::block_on;
use parking_lot::Mutex;

use super::handles::Handles;
use super::server::Held;
use super::world::{self, LEASE, TASK, claim, open, put, read, register, spec, success, until};

/// Ends every connection to the schema's store. They are told apart by what they last did in the schema.
fn terminate(handles: &Handles) -> i64 {
    handles.number(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE pid <> pg_backend_pid() AND (query LIKE '%{s}.%' OR query LIKE '%\"{s}.%')",
    )
}

/// Whatever was acknowledged while connections broke is there, once; what ran has ended, once.
#[test]
fn connections_that_break_under_load_lose_nothing_and_double_nothing() {
    let handles = open();
    let worker = register(&handles);
    let (stop, steps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let begin = Instant::now();
    let step = || {
        steps.fetch_add(1, Ordering::AcqRel);
        assert!(begin.elapsed() < Duration::from_secs(90), "it does not get on");
    };
    let (kept, ended) = thread::scope(|scope| {
        let breaker = scope.spawn(|| {
            let (mut broken, mut next) = (0, 10);
            while !stop.load(Ordering::Acquire) {
                // Each time something has been got done, and in the middle of whatever is under way then.
                if steps.load(Ordering::Acquire) >= next {
                    next = steps.load(Ordering::Acquire) + 25;
                    broken += terminate(&handles);
                }
                thread::yield_now();
            }
            broken
        });
        let _stopped = StopWhenDropped(&stop);
        let enqueuers: Vec<_> = (0..4)
            .map(|n| {
                let (handles, step) = (&handles, &step);
                scope.spawn(move || {
                    let mut kept = Vec::new();
                    for m in 0..150 {
                        let spec = Arc::new(spec());
                        let claim = (n == 0 && m % 2 == 0).then_some(Claim { worker });
                        let unit = Unit { jobs: vec![Arc::clone(&spec)], claim, idempotency: None };
                        if let Ok(placed) = block_on(handles.enqueue(vec![unit])).remove(0) {
                            kept.push((spec.id, placed.claimed));
                        }
                        step();
                    }
                    kept
                })
            })
            .collect();
        let kept: Vec<(JobId, bool)> = enqueuers.into_iter().flat_map(|enqueuer| enqueuer.join().unwrap()).collect();
        let mut ended = HashSet::new();
        let mut finish = |jobs: Vec<callboard::store::Job>| {
            let outcomes: Vec<_> = jobs.iter().map(|job| success(job, "1")).collect();
            let fates = loop {
                steps.fetch_add(9, Ordering::AcqRel);
                step();
                // Given again, as a worker does, until somebody knows what became of them.
                if let Ok(fates) = block_on(handles.finish(outcomes.clone())) {
                    break fates;
                }
            };
            for (job, fate) in jobs.iter().zip(fates) {
                assert!(fate.is_accepted(), "its outcome is the only one: {fate:?}");
                assert!(ended.insert(job.id()), "{} was given twice", job.id());
            }
        };
        let handed: Vec<_> = kept.iter().filter(|(_, claimed)| *claimed).map(|(id, _)| read(&handles, *id)).collect();
        handed.chunks(7).for_each(|jobs| finish(jobs.to_vec()));
        loop {
            steps.fetch_add(9, Ordering::AcqRel);
            step();
            match block_on(handles.claim(callboard::store::Ask { worker, limit: 9, queues: None, after_queue: None })) {
                Ok(claimed) if claimed.jobs.is_empty() => break,
                Ok(claimed) => finish(claimed.jobs),
                Err(_) => {}
            }
        }
        stop.store(true, Ordering::Release);
        assert!(breaker.join().unwrap() > 20, "connections were broken");
        (kept, ended)
    });
    assert_eq!(kept.len(), 600, "all were acknowledged in the end");
    for (id, _) in &kept {
        assert_eq!(read(&handles, *id).state.phase, Phase::Successful, "{id} was acknowledged");
        assert!(ended.contains(id));
    }
    assert_eq!(handles.number("SELECT count(*) FROM {s}.running"), 0, "no claim was lost");
    assert_eq!(handles.number("SELECT count(*) FROM {s}.done"), ended.len() as i64);
    assert_eq!(handles.number("SELECT sum(jobs) FROM {s}.tally"), ended.len() as i64);
}

/// Ends the breaker also where a case fails.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// An outage of all connections at once is got over.
#[test]
fn all_connections_may_break() {
    let handles = open();
    let worker = register(&handles);
    for _ in 0..3 {
        put(&handles, &spec());
        let jobs = claim(&handles, worker, 9);
        block_on(handles.beat(Beat { worker, lease: LEASE })).unwrap();
        assert!(terminate(&handles) >= 3, "it has its connections");
        let fates = block_on(handles.finish(jobs.iter().map(|job| success(job, "1")).collect())).unwrap();
        assert!(matches!(fates[..], [Fate::Accepted { .. }]), "{fates:?}");
        block_on(handles.beat(Beat { worker, lease: LEASE })).unwrap();
    }
    assert_eq!(block_on(handles.stats()).unwrap().queues["default"].phases[&Phase::Successful], 3);
}

/// A listener whose connection was broken listens again, and says that it may have missed something.
#[test]
fn a_broken_listener_listens_again() {
    let handles = open();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    handles.listen(Arc::new(move |what| ear.lock().push(what)));
    let listeners = || handles.number("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN \"{s}.%'");
    until("it listens", || listeners() == 1);
    handles.sql("SELECT {s}.enqueue('world.play')");
    until("it hears", || heard.lock().contains(&Heard::Work));
    assert!(terminate(&handles) > 0);
    until("it listens again", || heard.lock().contains(&Heard::Something) && listeners() == 1);
    heard.lock().clear();
    handles.sql("SELECT {s}.enqueue('world.play')");
    until("it hears again", || heard.lock().contains(&Heard::Work));
}

/// A value that the database cannot hold becomes a failure of its job; the others of its batch end as they did.
#[test]
fn a_nul_in_a_batch_of_outcomes_harms_only_its_own_job() {
    let handles = open();
    let worker = register(&handles);
    for _ in 0..9 {
        put(&handles, &spec());
    }
    let jobs = claim(&handles, worker, 9);
    let outcomes =
        jobs.iter().enumerate().map(|(n, job)| success(job, if n == 4 { "\"a\0b\"" } else { "1" })).collect();
    let fates = block_on(handles.finish(outcomes)).unwrap();
    for (n, (job, fate)) in jobs.iter().zip(fates).enumerate() {
        let after = read(&handles, job.id());
        let phase = if n == 4 { Phase::Failed } else { Phase::Successful };
        assert_eq!(fate, Fate::Accepted { phase, version: after.state.version });
        assert_eq!(after.state.phase, phase);
    }
    let failed = read(&handles, jobs[4].id());
    let error = &failed.state.errors()[0];
    assert_eq!((error.exception_class.as_str(), error.attempt), ("Unstorable", 1));
    assert!(error.message.contains("cannot be kept"), "{}", error.message);
}

/// A call that the database cannot hold is refused by itself, though others share its statement.
#[test]
fn a_nul_in_a_batch_of_calls_refuses_only_its_own_unit() {
    let handles = open();
    let unit = |spec: JobSpec| Unit { jobs: vec![Arc::new(spec)], claim: None, idempotency: None };
    let bad = JobSpec { args: Json::from_stored("{\"a\":\"\0\"}".into()), ..spec() };
    let placed = block_on(handles.enqueue(vec![unit(spec()), unit(bad), unit(spec())]));
    assert!(placed[0].is_ok() && placed[2].is_ok(), "{placed:?}");
    assert!(matches!(placed[1], Err(StoreError::Refused(_))), "{placed:?}");
    assert_eq!(handles.number("SELECT count(*) FROM {s}.job"), 2);
}

/// What is acknowledged is on the disk: nobody has switched that off for the connection that writes.
#[test]
fn writing_waits_for_the_disk() {
    let handles = open();
    // The function is called on the connection of the lane, so it tells of that.
    handles.sql(
        "CREATE TABLE {s}.seen (setting text); \
         CREATE FUNCTION {s}.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         INSERT INTO {s}.seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$; \
         CREATE TRIGGER see AFTER INSERT ON {s}.job EXECUTE FUNCTION {s}.see(); \
         CREATE TRIGGER see AFTER INSERT ON {s}.running EXECUTE FUNCTION {s}.see(); \
         CREATE TRIGGER see AFTER INSERT ON {s}.done EXECUTE FUNCTION {s}.see()",
    );
    let worker = register(&handles);
    put(&handles, &spec());
    let jobs = claim(&handles, worker, 1);
    block_on(handles.finish(vec![success(&jobs[0], "1")])).unwrap();
    let seen = handles.sql("SELECT setting FROM {s}.seen");
    assert_eq!(seen, vec![vec![Some("on".to_owned())]; 3]);
    assert_eq!(world::read(&handles, jobs[0].id()).spec.task, TASK);
}

/// Readers that take every connection of the pool, and wait, are no reason to lose a lease.
#[test]
fn a_saturated_pool_does_not_hold_up_the_beat() {
    let handles = open();
    let worker = register(&handles);
    let job = spec();
    put(&handles, &job);
    let held = Held::begin(&handles.url, &format!("LOCK TABLE {}.done IN ACCESS EXCLUSIVE MODE", handles.schema));
    thread::scope(|scope| {
        let readers: Vec<_> = (0..12).map(|_| scope.spawn(|| block_on(handles.get(vec![job.id])))).collect();
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{s}.done'::regclass";
        until("every connection of the pool waits", || handles.number(waiting) >= 4);
        for _ in 0..3 {
            let asked = Instant::now();
            block_on(handles.beat(Beat { worker, lease: LEASE })).unwrap();
            // The pool waits for five; what takes less than a beat of the usual lease has not waited for the pool.
            assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
        }
        held.commit();
        for reader in readers {
            // Those that found no connection in time were told so.
            let _answered = reader.join().unwrap();
        }
    });
    assert_eq!(read(&handles, job.id).id(), job.id);
}
