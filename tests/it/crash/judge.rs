//! What must be true of a store whose processes were killed.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use callboard::store::{Filter, Page, Store};
use callboard::{Job, JobId, Phase, Status, Timestamp};

use super::log::{Log, Writer};
use super::place::Place;
use super::{read, victim};
use crate::support::Folder;

/// More than one process enqueues in its life.
const NEWEST: usize = 5_000;

/// In the midst of what jobs were when their process died.
#[derive(Default)]
pub struct Deaths {
    claim: usize,
    run: usize,
    acknowledgement: usize,
    commit: usize,
    /// Runs that were counted: one may lie there for several rounds until its worker is missed.
    seen: HashSet<(JobId, u64)>,
}

impl Deaths {
    /// Looks at the store of a process that was just killed, which had begun then.
    pub fn count(&mut self, store: &dyn Store, log: &Log, began: Timestamp) {
        for job in jobs(store, &Filter { status: Some(Status::Running), ..Filter::default() }) {
            let run = (job.id(), job.state.run);
            if !self.seen.insert(run) {
                continue;
            }
            if log.ended.contains(&run) {
                self.acknowledgement += 1;
            } else if log.started.contains(&run) {
                self.run += 1;
            } else {
                self.claim += 1;
            }
        }
        // Newest first: those of this process are in front of all that others have enqueued.
        let page = Page { limit: NEWEST, before: None };
        let newest = read(store.list(Filter::default(), page)).jobs;
        let own = newest.iter().take_while(|job| job.spec.enqueued_at >= began);
        self.commit += own.filter(|job| !log.answered.contains(&job.id())).count();
    }

    /// If nothing ever died at some point, that point was not tested.
    pub fn must_have_come_everywhere(&self) {
        let Self { claim, run, acknowledgement, commit, .. } = self;
        assert!([claim, run, acknowledgement, commit].into_iter().all(|deaths| *deaths > 0), "died {self}");
    }
}

impl fmt::Display for Deaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claim, run, acknowledgement, commit, .. } = self;
        write!(
            f,
            "between claim and start: {claim}, while running: {run}, between end and acknowledgement: \
             {acknowledgement}, between commit and answer: {commit}"
        )
    }
}

/// Every job in the store.
pub fn everything(store: &dyn Store) -> Vec<Job> {
    jobs(store, &Filter::default())
}

fn jobs(store: &dyn Store, filter: &Filter) -> Vec<Job> {
    let (mut jobs, mut before) = (Vec::new(), None);
    loop {
        let listing = read(store.list(filter.clone(), Page { limit: NEWEST, before }));
        jobs.extend(listing.jobs);
        match listing.next {
            Some(_) => before = listing.next,
            None => return jobs,
        }
    }
}

/// Lets a process that nobody kills run all that is left.
pub fn finish_all(place: &Place, folder: &Folder) {
    // Jobs that were lost run one after the other, so more kills take longer.
    let limit = Duration::from_secs(60) + Duration::from_secs(2) * u32::try_from(super::kills()).unwrap();
    let log = Arc::new(Writer::open(&Log::path(folder, usize::MAX)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let finish = async {
        let board = victim::board(place, &log, 100).await;
        loop {
            let stats = board.stats("default").await.unwrap();
            let open =
                |phases: &std::collections::BTreeMap<Phase, u64>| phases.keys().any(|phase| !phase.is_finished());
            if !stats.queues.values().any(|queue| open(&queue.phases)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        board.shutdown().await;
    };
    runtime.block_on(async { tokio::time::timeout(limit, finish).await }).expect("every job comes to an end");
}

/// Every job has ended, by an attempt that the world saw, and by the last one. How many were quarantined.
pub fn judge(jobs: &[Job], log: &Log) -> usize {
    let mut quarantined = 0;
    for job in jobs {
        let (id, state) = (job.id(), &job.state);
        match state.phase {
            Phase::Successful => {
                assert!(log.ended.contains(&(id, state.run)), "job {id}: the accepted run {} never ended", state.run);
                let returned: Option<u64> = state.return_value.as_ref().and_then(|value| value.get().ok());
                let given: serde_json::Value = job.spec.args.to_value();
                assert_eq!(returned, given["n"].as_u64(), "job {id} has the value of another");
            }
            // It was among the killed three times.
            Phase::Quarantined => {
                assert!(state.losses >= Job::MAX_LOSSES, "{job:?}");
                quarantined += 1;
            }
            phase => panic!("job {id} is {phase}"),
        }
        let later = (state.run + 1..state.run + 4).find(|run| log.started.contains(&(id, *run)));
        assert_eq!(later, None, "job {id}: an earlier run was accepted after the claim of a later one");
    }
    quarantined
}
