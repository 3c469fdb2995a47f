//! Many threads at once: nothing is given twice, lost, or accepted twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};
use std::thread;

use futures::executor::block_on;

use super::*;
use crate::{Ask, Change, Ending, Fate, JobId, Json, Outcome, Phase, Store, StoreError, Unit};

const THREADS: usize = 8;

/// Does the same on several threads, which start at once; what each of them found.
fn on_threads<T: Send>(store: &Arc<dyn Store>, work: impl Fn(usize, &dyn Store) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        let (start, work) = (&start, &work);
        let spawn = |n| {
            scope.spawn(move || {
                start.wait();
                work(n, store.as_ref())
            })
        };
        let threads: Vec<_> = (0..THREADS).map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().expect("the thread did not panic")).collect()
    })
}

fn success(id: JobId, run: u64) -> Outcome {
    Outcome { id, run, started_at: None, ending: Ending::Succeeded(Json::null()), logs: Vec::new() }
}

/// Every job has one owner, and none is left over.
pub async fn many_claimers_share_the_jobs(stage: &Stage) {
    let jobs = (0..1_000).map(|_| stage.spec()).collect();
    stage.unit(jobs, None).await.expect("the unit is good");
    let mut workers = Vec::new();
    for _ in 0..THREADS {
        workers.push(stage.worker().await);
    }
    let claimed = on_threads(&stage.store, |n, store| {
        let mut mine = Vec::new();
        loop {
            let ask = Ask { worker: workers[n], limit: 7, queues: None, after_queue: None };
            let jobs = block_on(store.claim(ask)).expect("the worker is registered").jobs;
            if jobs.is_empty() {
                return mine;
            }
            mine.extend(jobs.iter().map(|job| (job.id(), job.state.run)));
        }
    });

    let mut owners = BTreeMap::new();
    for (n, mine) in claimed.into_iter().enumerate() {
        for (id, run) in mine {
            assert_eq!(owners.insert(id, n), None, "{id} has one owner");
            assert_eq!(run, 1);
        }
    }
    assert_eq!(owners.len(), 1_000);
    for (id, n) in owners {
        assert_eq!(stage.read(id).await.state.worker_ids(), [workers[n]]);
    }
}

/// Whatever many callers enqueue at once is there.
pub async fn many_callers_enqueue_at_once(stage: &Stage) {
    let units: Vec<Vec<Unit>> = (0..THREADS)
        .map(|_| (0..50).map(|_| Unit { jobs: vec![Arc::new(stage.spec())], claim: None, idempotency: None }).collect())
        .collect();
    on_threads(&stage.store, |n, store| {
        for unit in &units[n] {
            let placed = block_on(store.enqueue(vec![unit.clone()]));
            assert!(matches!(placed[..], [Ok(_)]), "{placed:?}");
        }
    });
    assert_eq!(stage.list(crate::Filter::default()).await.len(), THREADS * 50);
    assert_eq!(stage.queue(QUEUE).await.phases.get(&Phase::Ready), Some(&(THREADS as u64 * 50)));
}

/// Of many who enqueue the same id, one does.
pub async fn one_of_many_gets_an_id(stage: &Stage) {
    let spec = Arc::new(stage.spec());
    let placed = on_threads(&stage.store, |_, store| {
        let unit = Unit { jobs: vec![Arc::clone(&spec)], claim: None, idempotency: None };
        block_on(store.enqueue(vec![unit])).remove(0)
    });
    assert_eq!(placed.iter().filter(|placed| placed.is_ok()).count(), 1);
    assert!(placed.iter().all(|placed| matches!(placed, Ok(_) | Err(StoreError::DuplicateId(_)))), "{placed:?}");
}

/// Of many who end the same run, one is accepted.
pub async fn one_of_many_outcomes_of_a_run_is_accepted(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    let run = stage.claim_one(worker).await.state.run;
    let fates = on_threads(&stage.store, |_, store| {
        block_on(store.finish(vec![success(id, run)])).expect("the store can be written").remove(0)
    });
    assert_eq!(fates.iter().filter(|fate| fate.is_accepted()).count(), 1);
}

/// Of many who rescue the same worker, one frees its jobs, and each job counts one loss.
pub async fn one_of_many_rescuers_frees_the_jobs(stage: &Stage) {
    let worker = stage.worker().await;
    let ids = stage.put_many(20).await;
    stage.claim(worker, 20).await;
    stage.advance(LEASE);
    let mut freed =
        on_threads(&stage.store, |_, store| block_on(store.rescue(worker)).expect("the store can be written"));
    freed.sort_unstable();
    assert_eq!(freed, [0, 0, 0, 0, 0, 0, 0, 20]);
    for id in ids {
        assert_eq!(stage.read(id).await.state.losses, 1);
    }
}

/// A run ends or is lost, never both: who was told that its outcome was accepted finds it so.
pub async fn an_outcome_and_a_rescue_do_not_both_win(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put_many(200).await;
    let jobs = stage.claim(worker, 200).await;
    stage.advance(LEASE);
    let fates = on_threads(&stage.store, |n, store| {
        if n == 0 {
            block_on(store.rescue(worker)).expect("the store can be written");
            return Vec::new();
        }
        let mine = jobs.iter().skip(n - 1).step_by(THREADS - 1);
        mine.map(|job| {
            let fates = block_on(store.finish(vec![success(job.id(), 1)])).expect("the store can be written");
            (job.id(), fates[0] != Fate::Stale)
        })
        .collect()
    });
    for (id, accepted) in fates.into_iter().flatten() {
        let state = stage.read(id).await.state;
        let expected = if accepted { (Phase::Successful, 0) } else { (Phase::Ready, 1) };
        assert_eq!((state.phase, state.losses), expected);
    }
}

/// A job is cancelled before it starts or asked to stop after, never started after it was cancelled.
pub async fn a_cancellation_and_a_claim_do_not_both_win(stage: &Stage) {
    let worker = stage.worker().await;
    let ids = stage.put_many(200).await;
    let given: Vec<JobId> = on_threads(&stage.store, |n, store| {
        let mut given = Vec::new();
        for id in ids.iter().skip(n / 2).step_by(THREADS / 2) {
            if n % 2 == 0 {
                block_on(store.change(*id, Change::Cancel)).expect("a job that has not ended can be cancelled");
            } else {
                let ask = Ask { worker, limit: 1, queues: None, after_queue: None };
                let jobs = block_on(store.claim(ask)).expect("the worker is registered").jobs;
                given.extend(jobs.iter().map(crate::Job::id));
            }
        }
        given
    })
    .concat();
    for id in ids {
        let expected = if given.contains(&id) { Phase::Cancelling } else { Phase::Cancelled };
        assert_eq!(stage.phase(id).await, expected);
    }
}
