//! The door of a queue backend.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use callboard_tasks::{
    AnyCall, BackendInfo, Board, CancelReason, Change, Changed, Claim, Control, Error, EventKind, Filter, Idempotency,
    Job, JobId, Listing, Lookup, Page, Phase, Progress, Published, Redaction, ScheduleDefinition, ScheduleRecord,
    Snapshot, Stats, Store, StoreError, Unit, WaitError, WaitFor, Why, resolve, why,
};
use futures::future::{BoxFuture, FutureExt};

use super::backend::QueueBackend;
use super::carried::{Carried, keep};
use super::desk::{Desk, DeskBoard};
use super::heart::register;
use super::lease::Standing;
use super::turn::Letter;
use crate::backend::QueueOptions;
use crate::custom::room_for;
use crate::door::{Changes, Entry, Gate, Room};
use crate::ends::Ends;
use crate::handle::ShutdownReport;
use crate::health::BackendHealth;
use crate::hub::Hub;

/// How long a shutdown waits for attempts after it has told them to stop.
const LEAVE_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct QueueGate {
    pub(crate) desk: Arc<Desk>,
    kind: &'static str,
}

impl QueueGate {
    pub(crate) fn new(
        info: BackendInfo,
        kind: &'static str,
        store: Arc<dyn Store>,
        options: QueueOptions,
        hub: Arc<Hub>,
    ) -> Self {
        Self { desk: Desk::new(info, store, options, hub), kind }
    }

    /// Registers this process at the store, publishes its tasks, and starts the actors.
    pub(crate) async fn start(&self) -> Result<(), StoreError> {
        let desk = &self.desk;
        let tasks = desk.hub.registry.iter().map(Published::from).collect();
        desk.store.control(Control::Publish(tasks)).await?;
        register(desk).await?;
        for (queue, limits) in &desk.options.limits {
            desk.limited.set(queue, *limits);
            desk.store.control(Control::Limit { queue: queue.clone(), limits: *limits }).await?;
        }
        desk.store.listen(desk.ear());
        let (desk, started) = (Arc::clone(desk), tokio::sync::oneshot::channel());
        let (tell, told) = started;
        self.desk.hub.threads.coordination.spawn_fn(move || {
            QueueBackend::supervised(desk);
            let _ = tell.send(());
        });
        told.await.map_err(|_| StoreError::Unavailable("the coordination thread has ended".into()))
    }

    /// The schedules that this process declares: to be told before [`start`](Self::start).
    pub(crate) fn declare(&self, schedules: Vec<ScheduleDefinition>) {
        *self.desk.agenda.declared.write() = schedules;
    }

    fn specs(&self, calls: Vec<AnyCall>) -> Result<Vec<Arc<callboard_tasks::JobSpec>>, Error> {
        let now = self.desk.hub.clock.now();
        calls.into_iter().map(|call| Ok(Arc::new(resolve(call, now)?))).collect()
    }
}

impl Gate for QueueGate {
    fn info(&self) -> &BackendInfo {
        &self.desk.info
    }

    fn alias(&self) -> &Arc<str> {
        &self.desk.alias
    }

    fn enqueue(&self, mut calls: Vec<AnyCall>, request: Option<Idempotency>, room: Room) -> Entry {
        let idempotency = request.or_else(|| match &mut calls[..] {
            // Only a call by itself is a request by itself; the handle sees to that.
            [call] => call.options_mut().idempotency.take(),
            _ => None,
        });
        let specs = match self.specs(calls) {
            Ok(specs) => specs,
            Err(error) => return Entry::Done(Err(error)),
        };
        let desk = &self.desk;
        let reservation = if idempotency.is_none() { desk.reserve(&specs) } else { None };
        let claim = reservation.as_ref().map(|_| Claim { worker: desk.worker_id() });
        let answers: Vec<_> = specs.iter().map(|spec| desk.snapshot(Job::new(Arc::clone(spec)))).collect();
        let unit = Unit { jobs: specs, claim, idempotency };
        if !desk.store.waits() {
            desk.expect_enqueued(unit.jobs.iter());
            // The store is memory: asking it here costs less than waking somebody who asks it.
            let answer = desk.store.enqueue(vec![unit]).now_or_never().and_then(|mut answers| answers.pop());
            let answer = answer.unwrap_or_else(|| Err(StoreError::Unavailable("the store did not answer".into())));
            let jobs = answers.iter().map(|answer| &answer.job.spec);
            let placed = desk.placed(answer, jobs, reservation).map_err(Error::from);
            return Entry::Done(placed.and_then(|placed| desk.answers_now(answers, placed)));
        }
        let desk = Arc::clone(desk);
        Entry::Later(
            async move {
                // More calls than the inbox holds take all of it: they would wait for more room for ever.
                let calls = answers.len().min(desk.options.inbox);
                let permit = room_for(&desk.inbox_permits, calls, room, &desk.hub, &desk.alias).await?;
                if desk.store.gathers() {
                    let kept = keep(Arc::clone(&desk), unit, reservation, permit);
                    let placed = Carried::new(Arc::clone(&desk), kept).await?;
                    return desk.answers(answers, placed).await;
                }
                let (reply, answer) = tokio::sync::oneshot::channel();
                desk.inbox.lock().push(Letter { unit, reservation, reply, permit });
                desk.wake();
                match answer.await {
                    Ok(placed) => desk.answers(answers, placed?).await,
                    Err(_) => Err(Error::NoAnswer { alias: desk.info.alias.clone() }),
                }
            }
            .boxed(),
        )
    }

    fn get(&self, id: JobId) -> BoxFuture<'_, Result<Snapshot, Error>> {
        async move {
            match self.desk.store.get(vec![id]).await?.pop() {
                Some(Lookup::Found(job)) => Ok(self.desk.snapshot(job)),
                Some(Lookup::Pruned) => Err(Error::Pruned(id)),
                Some(Lookup::Unknown) | None => Err(Error::NotFound(id)),
            }
        }
        .boxed()
    }

    fn wait(&self, id: JobId, until: WaitFor, timeout: Duration) -> BoxFuture<'_, Result<Snapshot, WaitError>> {
        async move {
            // First the place in the list, then the look: an end in between is not missed.
            let mut waiting = self.desk.waiters.wait(id, until);
            {
                // Gone before the wait: of ten thousand who wait, each would keep a job that has changed since.
                let now = self.get(id).await?;
                if until.is_met(&now.job) {
                    return Ok(now);
                }
                if until == WaitFor::Finished && now.job.holder() != Some(self.desk.worker_id()) {
                    self.desk.watch(id);
                }
            }
            match self.desk.hub.within(timeout, &mut waiting.told).await {
                Some(Ok(job)) => Ok(self.desk.snapshot(*job)),
                None => Err(WaitError::Timeout),
                // It is gone; the store says how.
                Some(Err(_)) => self.get(id).await.map_or_else(|gone| Err(gone.into()), |_| Err(WaitError::Timeout)),
            }
        }
        .boxed()
    }

    fn list(&self, filter: Filter, page: Page) -> BoxFuture<'_, Result<Listing, Error>> {
        async move { Ok(self.desk.store.list(filter, page).await?) }.boxed()
    }

    fn change(&self, id: JobId, change: Change) -> BoxFuture<'_, Result<Snapshot, Error>> {
        async move {
            let deletes = change == Change::Delete;
            let changed = self.desk.store.change(id, change).await.map_err(|error| match error {
                StoreError::NotFound(id) => Error::NotFound(id),
                StoreError::Pruned(id) => Error::Pruned(id),
                StoreError::InvalidMove(invalid) => Error::InvalidMove(invalid),
                other => other.into(),
            })?;
            Ok(self.changed(changed, deletes))
        }
        .boxed()
    }

    fn change_all(&self, ids: Vec<JobId>, change: Change) -> BoxFuture<'_, Result<Changes, Error>> {
        async move {
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            let deletes = change == Change::Delete;
            let answers = self.desk.store.change_all(ids, change).await;
            Ok(answers.into_iter().map(|answer| answer.map(|changed| self.changed(changed, deletes))).collect())
        }
        .boxed()
    }

    fn control(&self, control: Control) -> BoxFuture<'_, Result<(), Error>> {
        async move {
            let desk = &self.desk;
            match &control {
                Control::Pause(queue) => {
                    desk.paused.write().insert(queue.clone());
                }
                Control::Resume(queue) => {
                    desk.paused.write().remove(queue);
                }
                Control::Limit { queue, limits } => desk.limited.set(queue, *limits),
                _ => {}
            }
            let pause = matches!(control, Control::Pause(_));
            let of_schedules = matches!(
                control,
                Control::SetSchedule(_)
                    | Control::RemoveSchedule(_)
                    | Control::PauseSchedule(_)
                    | Control::ResumeSchedule(_)
            );
            desk.store.control(control).await?;
            if of_schedules {
                desk.look_at_schedules();
            } else if pause {
                desk.hand_back_paused();
            } else {
                desk.look_for_work();
            }
            Ok(())
        }
        .boxed()
    }

    fn why(&self, id: JobId) -> BoxFuture<'_, Result<Why, Error>> {
        async move {
            match self.desk.store.inquire(id).await? {
                Some(known) => Ok(why(&known, self.desk.draining.load(Ordering::Acquire))),
                // It says whether there ever was one.
                None => self.get(id).await.and(Err(Error::NotFound(id))),
            }
        }
        .boxed()
    }

    fn ends(&self) -> BoxFuture<'_, Result<Ends, Error>> {
        async move { Ok(Ends::of(&self.desk).await?) }.boxed()
    }

    fn schedules(&self) -> BoxFuture<'_, Result<Vec<ScheduleRecord>, Error>> {
        async move { Ok(self.desk.store.schedules().await?) }.boxed()
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, Error>> {
        async move { Ok(self.desk.store.stats().await?) }.boxed()
    }

    fn expect_work(&self) {
        // The commit makes no sound here; a few looks are cheap, and the beat is the last of them.
        for pause in [5, 25, 100, 300] {
            let desk = Arc::downgrade(&self.desk);
            let look = move || {
                if let Some(desk) = desk.upgrade() {
                    desk.look_for_work();
                }
            };
            self.desk.hub.threads.after(Duration::from_millis(pause), look).forget();
        }
    }

    fn until_idle(&self) -> BoxFuture<'_, ()> {
        self.desk.until_idle().boxed()
    }

    fn is_idle(&self) -> bool {
        self.desk.is_idle()
    }

    fn drain(&self, grace: Duration) -> BoxFuture<'_, ShutdownReport> {
        async move {
            let desk = &self.desk;
            let (finished, handed_back) =
                (desk.finished.load(Ordering::Relaxed), desk.handed_back.load(Ordering::Relaxed));
            desk.draining.store(true, Ordering::Release);
            desk.hand_back(Duration::ZERO);
            self.until_drained(grace).await;
            desk.suspended.store(true, Ordering::Release);
            let interrupted = desk.running();
            if interrupted > 0 {
                desk.tell_all(CancelReason::Shutdown);
                self.until_drained(LEAVE_AFTER).await;
            }
            let abandoned = desk.running();
            if abandoned == 0 {
                // Whoever still runs a job keeps its lease until the process has ended: it must not run twice.
                let _ = desk.store.control(Control::Leave(desk.worker_id())).await;
            }
            desk.family().stop();
            desk.news.end();
            desk.store.close().await;
            let handed_back = desk.handed_back.load(Ordering::Relaxed) - handed_back;
            let ended = desk.finished.load(Ordering::Relaxed) - finished;
            ShutdownReport { finished: ended.saturating_sub(handed_back), handed_back, abandoned }
        }
        .boxed()
    }

    #[cfg(test)]
    fn desk(&self) -> Option<Arc<Desk>> {
        Some(Arc::clone(&self.desk))
    }

    fn health(&self) -> BoxFuture<'_, BackendHealth> {
        async move {
            let desk = &self.desk;
            let standing = desk.lease.lock().standing(Instant::now());
            BackendHealth {
                alias: desk.info.alias.clone(),
                kind: self.kind,
                store: desk.store.get(Vec::new()).await.map(drop).map_err(|error| super::pumps::chain(&error)),
                lease: standing == Standing::Held && desk.family().heart_beats(),
                degraded: desk.degraded.lock().clone(),
                late_schedules: desk.agenda.late(desk.hub.clock.now()),
                worker_id: Some(desk.worker_id()),
                running: desk.running(),
                claimed: desk.claimed(),
                workers: desk.slots.iter().map(|slot| slot.health()).collect(),
                stuck: desk.stuck(),
            }
        }
        .boxed()
    }
}

impl QueueGate {
    /// Does what follows from a change of a job: whoever runs it, waits for it, or may run it is told.
    fn changed(&self, changed: Changed, deleted: bool) -> Snapshot {
        let desk = &self.desk;
        let job = changed.job;
        if deleted {
            // It is told as it was, and nothing more happens to it.
            desk.waiters.announce(&job);
            return desk.snapshot(job);
        }
        match job.state.phase {
            Phase::Cancelling if changed.worker == Some(desk.worker_id()) => desk.cancel(job.id(), job.state.run),
            Phase::Ready => desk.look_for_work(),
            Phase::Scheduled => desk.note_due(job.spec.effective_time()),
            _ => {}
        }
        let snapshot = desk.snapshot(job);
        desk.waiters.announce(&snapshot.job);
        if snapshot.job.state.phase.is_finished() {
            desk.news.ring();
        }
        if snapshot.job.state.phase == Phase::Cancelled {
            desk.hub.announce(EventKind::Finished, &snapshot);
        }
        snapshot
    }

    /// Waits until everything claimed has ended and was written, and every call is answered, at most as long as
    /// `limit`.
    async fn until_drained(&self, limit: Duration) {
        let desk = &self.desk;
        let idle = async {
            loop {
                let ended = desk.ended.notified();
                let mut ended = std::pin::pin!(ended);
                // Registered before the look, so that an end in between is not missed.
                ended.as_mut().enable();
                // A call gives its permit back when it has been answered.
                let answered = desk.inbox_permits.available_permits() >= desk.options.inbox;
                if desk.claimed() == 0 && answered {
                    return;
                }
                desk.wake();
                ended.await;
            }
        };
        desk.hub.within(limit, idle).await;
    }
}

/// What attempts of this backend see as their board.
impl Board for DeskBoard {
    fn enqueue(&self, call: AnyCall) -> BoxFuture<'_, Result<Snapshot, Error>> {
        async move { self.board()?.enqueue(call).await }.boxed()
    }

    fn get(&self, id: JobId, backend: Option<Arc<str>>) -> BoxFuture<'_, Result<Snapshot, Error>> {
        async move { self.board()?.get(id, backend).await }.boxed()
    }

    fn wait(
        &self,
        id: JobId,
        backend: Option<Arc<str>>,
        until: WaitFor,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Snapshot, WaitError>> {
        async move { self.board()?.wait(id, backend, until, timeout).await }.boxed()
    }

    fn report(&self, id: JobId, run: u64, progress: Progress) {
        if let Some(desk) = self.desk() {
            desk.note_progress(id, run, progress);
        }
    }

    fn redaction(&self, task: &str) -> Redaction {
        self.board().map_or(Redaction::Everything, |board| board.redaction(task))
    }

    fn provide(&self, key: TypeId) -> Option<Arc<dyn Any + Send + Sync>> {
        self.board().ok()?.provide(key)
    }
}

impl DeskBoard {
    fn board(&self) -> Result<Arc<dyn Board>, Error> {
        let board = self.desk().and_then(|desk| desk.hub.handle()).ok_or(Error::Draining)?;
        Ok(board.0 as _)
    }
}
