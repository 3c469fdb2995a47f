//! The immediate backend: runs each call while its enqueuer waits, on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use actix_rt::ArbiterHandle;
use callboard_tasks::{
    AnyCall, AttemptLog, BackendInfo, Board, CancelReason, Cancellation, Ending, Error, EventKind, Failure,
    FailureKind, Idempotency, Job, Json, Move, Run, Snapshot, Supports, TaskContext, WorkerId, resolve,
};
use futures::future::{BoxFuture, FutureExt, LocalBoxFuture, poll_fn};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::counts::Ended;
use crate::door::{Entry, Gate, Room, plain_health};
use crate::handle::ShutdownReport;
use crate::health::BackendHealth;
use crate::hub::Hub;
use crate::panics::{contain, drop_contained};
use crate::queue::{Facts, ending};

#[derive(Debug)]
pub(crate) struct ImmediateGate {
    info: BackendInfo,
    alias: Arc<str>,
    worker: WorkerId,
    hub: Arc<Hub>,
    home: Arc<Home>,
    under_way: Arc<UnderWay>,
}

/// The calls under way, for a shutdown that lets them end.
#[derive(Debug, Default)]
struct UnderWay {
    calls: AtomicUsize,
    ended: AtomicUsize,
    none_left: Notify,
}

/// Calls are under way as long as anybody holds this.
#[derive(Debug)]
struct Going(Arc<UnderWay>);

impl UnderWay {
    fn begin(self: &Arc<Self>) -> Arc<Going> {
        self.calls.fetch_add(1, Ordering::AcqRel);
        Arc::new(Going(Arc::clone(self)))
    }

    async fn until_none(&self) {
        loop {
            let mut none_left = std::pin::pin!(self.none_left.notified());
            // Registered before the look, so that an end in between is not missed.
            none_left.as_mut().enable();
            if self.calls.load(Ordering::Acquire) == 0 {
                return;
            }
            none_left.await;
        }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none_left.notify_waiters();
        }
    }
}

/// The thread that attempts run on; started with the first call, so that a board which never uses it has none.
#[derive(Debug, Default)]
struct Home(Mutex<Option<ArbiterHandle>>);

impl Home {
    async fn get(&self, hub: &Arc<Hub>) -> Option<ArbiterHandle> {
        // An arbiter that has ended (a task can end the one that it is on) takes no work, and says so only when asked.
        let alive = |home: &ArbiterHandle| home.spawn_fn(|| {});
        if let Some(home) = self.0.lock().clone().filter(alive) {
            return Some(home);
        }
        // An arbiter belongs to the system of the thread that makes it, and that must be the board's own.
        let (tell, told) = oneshot::channel();
        let board = Arc::clone(hub);
        hub.threads.coordination.spawn_fn(move || {
            let _ = tell.send(board.threads.another());
        });
        let fresh = told.await.ok()?;
        let mut home = self.0.lock();
        if let Some(first) = home.as_ref().filter(|home| alive(home)) {
            // Somebody else was faster.
            fresh.stop();
            return Some(first.clone());
        }
        Some(home.insert(fresh).clone())
    }
}

impl ImmediateGate {
    /// As Django's: no `run_after`, and no looking results up, since nobody keeps them.
    pub(crate) const SUPPORTS: Supports =
        Supports { defer: false, async_task: true, get_result: false, priority: true };

    pub(crate) fn new(info: BackendInfo, hub: Arc<Hub>) -> Self {
        let alias = info.alias.as_str().into();
        let worker = WorkerId::new(hub.clock.now());
        Self { info, alias, worker, hub, home: Arc::default(), under_way: Arc::default() }
    }
}

impl Gate for ImmediateGate {
    fn info(&self) -> &BackendInfo {
        &self.info
    }

    fn alias(&self) -> &Arc<str> {
        &self.alias
    }

    fn enqueue(&self, calls: Vec<AnyCall>, _: Option<Idempotency>, _: Room) -> Entry {
        let now = self.hub.clock.now();
        let specs: Result<Vec<_>, _> = calls.into_iter().map(|call| resolve(call, now).map(Arc::new)).collect();
        let specs = match specs {
            Ok(specs) => specs,
            Err(invalid) => return Entry::Done(Err(invalid.into())),
        };
        let (hub, home, alias, worker) =
            (Arc::clone(&self.hub), Arc::clone(&self.home), Arc::clone(&self.alias), self.worker);
        // Held by the caller and by each attempt: one who leaves takes no attempt along.
        let going = self.under_way.begin();
        Entry::Later(
            async move {
                let no_answer = || Error::NoAnswer { alias: alias.to_string() };
                let thread = home.get(&hub).await.ok_or_else(no_answer)?;
                let mut snapshots = Vec::new();
                for spec in specs {
                    let (tell, told) = oneshot::channel();
                    let snapshot = Snapshot {
                        backend: Arc::clone(&alias),
                        job: Job::new(spec),
                        duplicate: false,
                        replayed: false,
                    };
                    let (hub, going) = (Arc::clone(&hub), Arc::clone(&going));
                    let log = Arc::new(AttemptLog::new(hub.clock.clone()));
                    let call = OneCall { hub, worker, snapshot, cancellation: Arc::default(), log, going };
                    // The future is made on its thread, because a task's future may not travel.
                    thread.spawn_fn(move || {
                        actix_rt::spawn(async move {
                            let _ = tell.send(call.run().await);
                        });
                    });
                    snapshots.push(told.await.map_err(|_| no_answer())?);
                }
                Ok(snapshots)
            }
            .boxed(),
        )
    }

    fn drain(&self, grace: Duration) -> BoxFuture<'_, ShutdownReport> {
        async move {
            let under_way = &self.under_way;
            let before = under_way.ended.load(Ordering::Acquire);
            self.hub.within(grace, under_way.until_none()).await;
            let finished = under_way.ended.load(Ordering::Acquire) - before;
            ShutdownReport { finished, handed_back: 0, abandoned: under_way.calls.load(Ordering::Acquire) }
        }
        .boxed()
    }

    fn health(&self) -> BoxFuture<'_, BackendHealth> {
        async { plain_health(&self.info, "immediate") }.boxed()
    }
}

/// One call on its way through all its states.
struct OneCall {
    hub: Arc<Hub>,
    worker: WorkerId,
    snapshot: Snapshot,
    cancellation: Arc<Cancellation>,
    log: Arc<AttemptLog>,
    going: Arc<Going>,
}

impl OneCall {
    async fn run(mut self) -> Snapshot {
        self.hub.announce(EventKind::Enqueued, &self.snapshot);
        self.start();
        self.hub.announce(EventKind::Started, &self.snapshot);
        let result = self.attempt().await;
        self.finish(result);
        self.going.0.ended.fetch_add(1, Ordering::AcqRel);
        self.hub.announce(EventKind::Finished, &self.snapshot);
        self.snapshot
    }

    fn start(&mut self) {
        let now = self.hub.clock.now();
        let state = &mut self.snapshot.job.state;
        state.phase = state.phase.after(Move::Claim).expect("a new job can be claimed");
        state.version += 1;
        state.run = 1;
        state.attempts = 1;
        // It runs once: there is nobody who would run it again later.
        state.max_attempts = 1;
        state.started_at = Some(now);
        state.last_attempted_at = Some(now);
        state.history.add_worker(self.worker);
    }

    async fn attempt(&self) -> Result<Json, Failure> {
        let spec = &self.snapshot.job.spec;
        let Some(task) = self.hub.registry.get(&spec.task) else {
            return Err(Failure::new(FailureKind::Abort, format!("this process has no task {:?}", spec.task)));
        };
        let _timer = spec.timeout.map(|limit| {
            let cancellation = Arc::clone(&self.cancellation);
            self.hub.threads.after(limit, move || {
                cancellation.tell(CancelReason::Timeout(limit));
            })
        });
        let context = self.context()?;
        match task.run {
            Run::Async(function) => {
                let mut future = function(context);
                let result = self.poll_to_the_end(&mut future).await;
                drop_contained(future);
                result
            }
            Run::Blocking(function) => {
                let (tell, told) = oneshot::channel();
                self.hub.threads.run_blocking(move || {
                    let _ = tell.send(contain(|| function(context)).and_then(|result| result));
                });
                told.await.unwrap_or_else(|_| Err(Failure::new(FailureKind::Error, "the board has stopped")))
            }
        }
    }

    async fn poll_to_the_end(
        &self,
        future: &mut LocalBoxFuture<'static, Result<Json, Failure>>,
    ) -> Result<Json, Failure> {
        poll_fn(|cx| match contain(|| future.as_mut().poll(cx)) {
            Ok(Poll::Ready(result)) => Poll::Ready(result),
            Err(panic) => Poll::Ready(Err(panic)),
            // Only a timeout can tell it; that decides how it ends.
            Ok(Poll::Pending) => self.cancellation.poll_told(cx).map(|_| Err(Failure::hand_back())),
        })
        .await
    }

    fn context(&self) -> Result<TaskContext, Failure> {
        let stopped = || Failure::new(FailureKind::Error, "the board has stopped");
        let board: Arc<dyn Board> = self.hub.handle().ok_or_else(stopped)?.0;
        let spec = Arc::clone(&self.snapshot.job.spec);
        let deadline = spec.timeout.and_then(|limit| {
            let limit = jiff::SignedDuration::try_from(limit).ok()?;
            self.hub.clock.now().checked_add(limit).ok()
        });
        let (cancellation, data) = (Arc::clone(&self.cancellation), Arc::clone(&self.hub.data));
        Ok(TaskContext::new(spec, 1, 1, deadline, cancellation, data, board).with_log(Arc::clone(&self.log)))
    }

    fn finish(&mut self, result: Result<Json, Failure>) {
        let now = self.hub.clock.now();
        let job = &mut self.snapshot.job;
        let told = self.cancellation.reason();
        let facts = Facts { spec: &job.spec, attempt: 1, max_attempts: 1, told, now, custom_backoff: None };
        let ending = ending(result, facts);
        let started_at = job.state.started_at.unwrap_or(now);
        self.hub.counts.ended(&self.snapshot.backend, &Ended { spec: &job.spec, attempt: 1, started_at, now }, &ending);
        let (step, error) = match ending {
            Ending::Succeeded(value) => {
                job.state.return_value = Some(value);
                (Move::Succeed, None)
            }
            Ending::Failed(error) | Ending::Retry { error, .. } | Ending::Cancelled(error) => (Move::Fail, Some(error)),
            Ending::Snoozed(_) | Ending::HandBack => {
                let message = "an immediate backend cannot run a task again later";
                (Move::Fail, Some(callboard_tasks::TaskError::new("Snooze", message, message, 1, now)))
            }
        };
        job.state.phase = job.state.phase.after(step).expect("a running job can end");
        job.state.version += 1;
        job.state.finished_at = Some(now);
        job.state.history.add_logs(self.log.take());
        if let Some(error) = error {
            job.state.history.add_error(error);
        }
    }
}
