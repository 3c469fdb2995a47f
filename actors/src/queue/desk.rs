//! What the threads of one queue backend share: the run queue, the permits, and the trays between the threads.
//!
//! Nothing in here is the truth about a job: that is the store's. Whatever is lost here with its process is found
//! there again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use callboard_tasks::{
    BackendInfo, CancelReason, Ending, EventKind, Job, JobId, JobSpec, Lookup, Outcome, Phase, Progress, Snapshot,
    Status, Store, Timestamp, WorkerId,
};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, Semaphore};

use super::announce::Unannounced;
use super::attempt::Running;
use super::backend::{Family, QueueBackend, Wake};
use super::dispatch::Pace;
use super::lease::Lease;
use super::limited::Limited;
use super::permits::Permits;
use super::scheduler::Agenda;
use super::turn::{Letter, Reservation, Turn};
use super::watch::Watch;
use super::worker::{Slot, Work};
use crate::backend::QueueOptions;
use crate::ends::News;
use crate::health::Stuck;
use crate::hub::{Hub, is_logged};
use crate::supervise::Live;
use crate::threads::BLOCKING_THREADS;
use crate::waiters::Waiters;

/// How often whoever waits for the desk to be idle looks at it, should nobody ring.
const IDLE_LOOK: Duration = Duration::from_millis(50);

/// What the threads of one queue backend share.
pub(crate) struct Desk {
    pub(crate) info: BackendInfo,
    pub(crate) alias: Arc<str>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) options: QueueOptions,
    pub(crate) hub: Arc<Hub>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) backend: Live<QueueBackend>,
    family: Arc<Family>,
    board: Arc<DeskBoard>,
    /// The id of this process at this backend; a new one when a lease was lost.
    worker_id: RwLock<WorkerId>,
    pub(crate) lease: Mutex<Lease>,
    /// Which part has given up, if one has.
    pub(crate) degraded: Mutex<Option<String>>,

    pub(crate) slots: Vec<Arc<Slot>>,
    runs: Mutex<VecDeque<Turn>>,
    /// Sync functions that wait for a thread of the pool.
    blocking_runs: Mutex<VecDeque<Turn>>,
    blocking_free: AtomicUsize,
    /// Jobs claimed and not finished.
    claimed: AtomicUsize,
    /// Attempts under way.
    running: AtomicUsize,
    /// Who may have a job of which queue.
    pub(crate) permits: Permits,
    /// Attempts that did not end in their first poll, by job.
    attempts: Mutex<HashMap<JobId, Arc<Running>>>,
    /// Jobs that were cancelled before their attempt could be told.
    cancel_asked: Mutex<HashSet<(JobId, u64)>>,
    any_cancel_asked: AtomicBool,
    progress: Mutex<HashMap<JobId, (u64, Progress)>>,
    pub(super) unannounced: Unannounced,

    pub(crate) inbox: Mutex<Vec<Letter>>,
    pub(crate) inbox_permits: Arc<Semaphore>,
    pub(crate) outbox: Mutex<Vec<Outcome>>,
    /// How many outcomes are being written.
    pub(crate) writing: AtomicUsize,
    /// Whether the backend actor has been woken and has not looked yet: one wake-up for all that waits.
    awake: AtomicBool,
    /// Whether the store may have due jobs that were not claimed.
    pub(crate) backlog: AtomicBool,
    /// Whether a claim is under way, which may yet bring what waits.
    pub(crate) claiming: AtomicBool,
    /// How often somebody has told of work that was not enqueued here,
    pub(crate) hints: AtomicUsize,
    /// and how often they had when the last claim began, if that came back short.
    pub(crate) hints_seen: AtomicUsize,
    /// Jobs that were enqueued here without room, since the last claim began and before it.
    pub(crate) afoot: [AtomicUsize; 2],
    pub(crate) pace: Mutex<Pace>,
    pub(crate) paused: RwLock<HashSet<String>>,
    pub(super) limited: Limited,
    /// The one job that it runs although it was lost before: only when that has ended is it given another.
    pub(crate) suspect: Mutex<Option<JobId>>,
    /// Whether other processes work at the same store, as of the last beat.
    pub(crate) has_peers: AtomicBool,
    /// Whether something was due in the store at the last beat.
    pub(crate) due: AtomicBool,
    /// Jobs that are waited for here, about to be watched in the store.
    pub(super) watch: Watch,
    /// Rings for those who follow the ends of jobs.
    pub(crate) news: News,
    /// Schedules: what is declared here, and what is to be taken when.
    pub(crate) agenda: Agenda,
    /// Whether nothing new is started, for now (a doubtful lease) or for good (a shutdown).
    pub(crate) suspended: AtomicBool,
    pub(crate) draining: AtomicBool,
    /// Rings when outcomes were written and when calls were answered.
    pub(crate) ended: Notify,
    pub(crate) finished: AtomicUsize,
    pub(crate) handed_back: AtomicUsize,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("alias", &self.alias).field("claimed", &self.claimed()).finish_non_exhaustive()
    }
}

impl Desk {
    pub(crate) fn new(info: BackendInfo, store: Arc<dyn Store>, options: QueueOptions, hub: Arc<Hub>) -> Arc<Self> {
        let now = Instant::now();
        // Where no queue is worked there is nothing to run.
        let workers = if options.work.is_none() { 0 } else { options.workers };
        Arc::new_cyclic(|desk| Self {
            board: Arc::new(DeskBoard(Weak::clone(desk))),
            family: Arc::default(),
            alias: info.alias.as_str().into(),
            info,
            store,
            waiters: Arc::default(),
            backend: Live::default(),
            worker_id: RwLock::new(WorkerId::new(hub.clock.now())),
            lease: Mutex::new(Lease::new(options.lease, now)),
            degraded: Mutex::new(None),
            slots: (0..workers).map(|number| Arc::new(Slot::new(number))).collect(),
            runs: Mutex::default(),
            blocking_runs: Mutex::default(),
            blocking_free: AtomicUsize::new(BLOCKING_THREADS),
            claimed: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            permits: Permits::new(options.work.clone()),
            attempts: Mutex::default(),
            cancel_asked: Mutex::default(),
            any_cancel_asked: AtomicBool::new(false),
            progress: Mutex::default(),
            unannounced: Unannounced::default(),
            inbox: Mutex::default(),
            inbox_permits: Arc::new(Semaphore::new(options.inbox)),
            outbox: Mutex::default(),
            writing: AtomicUsize::new(0),
            awake: AtomicBool::new(false),
            backlog: AtomicBool::new(true),
            claiming: AtomicBool::new(false),
            hints: AtomicUsize::new(0),
            hints_seen: AtomicUsize::new(usize::MAX),
            afoot: Default::default(),
            pace: Mutex::new(Pace::new(now)),
            paused: RwLock::default(),
            limited: Limited::default(),
            suspect: Mutex::default(),
            has_peers: AtomicBool::new(false),
            due: AtomicBool::new(false),
            watch: Watch::default(),
            news: News::default(),
            agenda: Agenda::default(),
            suspended: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            ended: Notify::new(),
            finished: AtomicUsize::new(0),
            handed_back: AtomicUsize::new(0),
            options,
            hub,
        })
    }

    /// The children of the backend actor.
    pub(crate) fn family(&self) -> &Arc<Family> {
        &self.family
    }

    /// The board that attempts of this backend see.
    pub(crate) fn board(&self) -> &Arc<DeskBoard> {
        &self.board
    }

    /// Something will be due at this time.
    pub(crate) fn note_due(&self, at: Timestamp) {
        self.family.note_due(at);
    }

    /// The id of this process at this backend.
    pub(crate) fn worker_id(&self) -> WorkerId {
        *self.worker_id.read()
    }

    /// Takes a fresh id: the lease of the old one is gone.
    pub(crate) fn renew_worker_id(&self) -> WorkerId {
        let fresh = WorkerId::new(self.hub.clock.now());
        *self.worker_id.write() = fresh;
        fresh
    }

    pub(crate) fn snapshot(&self, job: Job) -> Snapshot {
        Snapshot { backend: Arc::clone(&self.alias), job, duplicate: false, replayed: false }
    }

    /// Jobs claimed and not finished.
    pub(crate) fn claimed(&self) -> usize {
        self.claimed.load(Ordering::Acquire)
    }

    /// Attempts under way.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    // ---- waking ----------------------------------------------------------------------------------------------

    /// Wakes the backend actor, once for all that waits.
    pub(crate) fn wake(&self) {
        if !self.awake.swap(true, Ordering::AcqRel) {
            self.backend.with(|backend| backend.do_send(Wake));
        }
    }

    /// The backend actor looks now; whoever adds something after this wakes it again.
    pub(crate) fn looked(&self) {
        self.awake.store(false, Ordering::Release);
    }

    /// Something may be due in the store.
    pub(crate) fn look_for_work(&self) {
        self.expect_backlog();
        self.wake();
    }

    /// There may be jobs in the store that others have left there, or that came back.
    pub(crate) fn expect_backlog(&self) {
        self.hints.fetch_add(1, Ordering::AcqRel);
        self.backlog.store(true, Ordering::Release);
    }

    /// Whether the last claim came back short and nobody has told of other work since: what waits is our own.
    fn is_caught_up(&self) -> bool {
        self.hints_seen.load(Ordering::Acquire) == self.hints.load(Ordering::Acquire)
    }

    /// Whether a job that starts now starts after all that were enqueued before. A store that waits promises no order
    /// beyond that within a claim: there it is enough that those who wait have room as well, for where many enqueue at
    /// once some always wait, and then nothing would be handed off any more.
    fn overtakes_nobody(&self) -> bool {
        // A claim takes the flag down while it looks, and puts it up again before it ends.
        let backlog = || self.backlog.load(Ordering::Acquire);
        self.store.waits() || !(backlog() || self.claiming.load(Ordering::Acquire) || backlog())
    }

    /// Those who run jobs have nothing left to run: if there may be more, it is claimed beside what is being written.
    pub(crate) fn ran_dry(&self) {
        if self.backlog.load(Ordering::Acquire) {
            self.wake();
        }
    }

    /// Whether this process has nothing left to do that is due: all that it could claim has ended, and that is written.
    pub(crate) fn is_idle(&self) -> bool {
        let written = self.outbox.lock().is_empty() && self.writing.load(Ordering::Acquire) == 0;
        let gets_nothing = !self.permits.works_any()
            || self.draining.load(Ordering::Acquire)
            || self.hub.budget.is_spent()
            || (self.is_caught_up() && !self.backlog.load(Ordering::Acquire));
        gets_nothing && written && self.claimed() == 0
    }

    /// Waits until it has, after one more look at the store.
    pub(crate) async fn until_idle(&self) {
        self.expect_backlog();
        loop {
            let ended = self.ended.notified();
            let mut ended = std::pin::pin!(ended);
            // Registered before the look, so that an end in between is not missed.
            ended.as_mut().enable();
            if self.is_idle() {
                return;
            }
            self.wake();
            self.hub.within(IDLE_LOOK, ended).await;
        }
    }

    fn wake_worker(&self) {
        let held = |slot: &Slot| slot.busy.load(Ordering::Acquire);
        if self.slots.iter().any(|slot| !held(slot) && Self::tell_of_work(slot)) {
            return;
        }
        // User code holds the threads of all who sleep: whichever it lets go first shall look.
        for slot in self.slots.iter().filter(|slot| held(slot)) {
            Self::tell_of_work(slot);
        }
    }

    /// Wakes a worker that sleeps. Whether it did.
    fn tell_of_work(slot: &Slot) -> bool {
        if !(slot.idle.load(Ordering::Relaxed) && slot.idle.swap(false, Ordering::AcqRel)) {
            return false;
        }
        if !slot.live.is_alive() {
            // Its successor looks for work by itself; another worker can do so now.
            slot.idle.store(true, Ordering::Release);
            return false;
        }
        slot.live.with(|worker| worker.do_send(Work));
        true
    }

    // ---- claims ----------------------------------------------------------------------------------------------

    fn starts_nothing(&self) -> bool {
        self.suspended.load(Ordering::Acquire) || self.draining.load(Ordering::Acquire) || !self.permits.works_any()
    }

    /// How many more jobs this process may claim.
    pub(crate) fn room(&self) -> usize {
        if self.starts_nothing() {
            return 0;
        }
        let recent = self.pace.lock().recent(Instant::now());
        let ended = self.writing.load(Ordering::Acquire) + self.outbox.lock().len();
        super::dispatch::room(self.options.concurrency, self.claimed(), ended, recent)
    }

    /// Whether this process has room for so many jobs: most often so without a look at the clock.
    fn has_room(&self, jobs: usize) -> bool {
        (self.claimed() + jobs <= self.options.concurrency && !self.starts_nothing()) || self.room() >= jobs
    }

    /// Keeps room for jobs that are to be inserted as claimed, if all of them can start. The hand-off is only for
    /// queues that are not paused, of a backend whose last claim came back short, with room for those as well that
    /// were enqueued here meanwhile and found none: nobody who waits is passed over.
    pub(crate) fn reserve(self: &Arc<Self>, specs: &[Arc<JobSpec>]) -> Option<Reservation> {
        let afoot = || self.afoot.iter().map(|jobs| jobs.load(Ordering::Acquire)).sum::<usize>();
        let fits = self.is_caught_up()
            && self.overtakes_nobody()
            && !specs.is_empty()
            && self.has_room(specs.len() + afoot())
            && specs.iter().all(|spec| self.can_start(spec));
        if !fits {
            // What others work takes no room here.
            let ours = specs.iter().filter(|spec| self.permits.works(&spec.queue)).count();
            self.afoot[0].fetch_add(ours, Ordering::AcqRel);
            return None;
        }
        // A queue without a permit has jobs that wait for one, or will have: they are looked for when one is free.
        let permits = self.permits.take(specs.iter().map(|spec| &*spec.queue))?;
        let Some(budget) = self.hub.budget.take(specs.len()) else {
            self.give_back_permits(permits.iter().map(String::as_str));
            return None;
        };
        self.claimed.fetch_add(specs.len(), Ordering::AcqRel);
        Some(Reservation::new(Arc::clone(self), specs.len(), permits, budget))
    }

    /// Permits come back; whoever may wait for one of them is looked for.
    pub(crate) fn give_back_permits<'a>(&self, queues: impl Iterator<Item = &'a str>) {
        let mut awaited = false;
        for queue in queues {
            awaited |= self.permits.give_back(queue);
        }
        if awaited {
            self.expect_backlog();
        }
    }

    /// Whether a job that is enqueued now could be run by this process at once.
    fn can_start(&self, spec: &JobSpec) -> bool {
        let due = spec.run_after.is_none_or(|at| at <= spec.enqueued_at);
        let expired = spec.expires_at.is_some_and(|at| at <= spec.enqueued_at);
        let free = spec.unique.is_none() && !self.limited.is(&spec.queue);
        let ours = self.permits.works(&spec.queue) && self.hub.registry.get(&spec.task).is_some();
        due && !expired && free && ours && !self.is_paused(&spec.queue)
    }

    pub(super) fn is_paused(&self, queue: &str) -> bool {
        let paused = self.paused.read();
        !paused.is_empty() && paused.contains(queue)
    }

    /// So many outcomes were written, or given up.
    pub(crate) fn written(&self, jobs: usize) {
        self.writing.store(0, Ordering::Release);
        self.release(jobs);
    }

    /// Gives back room that was kept.
    pub(crate) fn release(&self, jobs: usize) {
        self.claimed.fetch_sub(jobs, Ordering::AcqRel);
    }

    /// Puts claimed jobs into the run queue, whose room was kept by [`reserve`](Self::reserve) or is taken now.
    pub(crate) fn hand_out(&self, turns: impl IntoIterator<Item = Turn>, reserved: bool) {
        let (count, free) = {
            let mut runs = self.runs.lock();
            let before = runs.len();
            runs.extend(turns);
            // A worker that is awake and not busy will look again before it does anything else.
            let free = self.slots.iter().filter(|slot| slot.will_look()).count();
            (runs.len() - before, free)
        };
        if !reserved {
            self.claimed.fetch_add(count, Ordering::AcqRel);
        }
        for _ in free..count.min(self.slots.len()) {
            self.wake_worker();
        }
    }

    // ---- the run queue ---------------------------------------------------------------------------------------

    /// The next job for this worker to start, with a permit to run.
    pub(crate) fn next_turn(&self, slot: &Slot) -> Option<Turn> {
        let mut runs = self.runs.lock();
        slot.busy.store(false, Ordering::Release);
        if self.suspended.load(Ordering::Acquire) {
            return None;
        }
        if runs.is_empty() || self.running.fetch_add(1, Ordering::AcqRel) >= self.options.concurrency {
            if !runs.is_empty() {
                self.running.fetch_sub(1, Ordering::AcqRel);
            }
            return None;
        }
        slot.busy.store(true, Ordering::Release);
        runs.pop_front()
    }

    /// Whether a worker could start something now.
    pub(crate) fn has_turn(&self) -> bool {
        !self.suspended.load(Ordering::Acquire)
            && self.running() < self.options.concurrency
            && !self.runs.lock().is_empty()
    }

    /// Takes a thread of the pool for a sync function, or puts the job aside until one is free.
    pub(crate) fn blocking_slot(&self, turn: Turn) -> Option<Turn> {
        let mut waiting = self.blocking_runs.lock();
        let free = &self.blocking_free;
        if free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(1)).is_ok() {
            return Some(turn);
        }
        waiting.push_back(turn);
        drop(waiting);
        // It waits without running, so its permit is another's.
        self.running.fetch_sub(1, Ordering::AcqRel);
        None
    }

    /// Gives a thread of the pool to the next sync function, or back.
    pub(crate) fn next_blocking(&self) -> Option<Turn> {
        let mut waiting = self.blocking_runs.lock();
        let next = if self.suspended.load(Ordering::Acquire) { None } else { waiting.pop_front() };
        match next {
            Some(turn) => {
                self.running.fetch_add(1, Ordering::AcqRel);
                Some(turn)
            }
            None => {
                self.blocking_free.fetch_add(1, Ordering::AcqRel);
                None
            }
        }
    }

    /// Hands back what was claimed `age` ago and has not started. How many.
    pub(crate) fn hand_back(&self, age: Duration) -> usize {
        let now = Instant::now();
        self.hand_back_if(|turn| now.saturating_duration_since(turn.claimed_at) >= age)
    }

    /// Hands back what has not started of queues that are paused.
    pub(crate) fn hand_back_paused(&self) {
        self.hand_back_if(|turn| self.is_paused(&turn.spec.queue));
    }

    fn hand_back_if(&self, goes: impl Fn(&Turn) -> bool) -> usize {
        let mut back = Vec::new();
        for turns in [&self.runs, &self.blocking_runs] {
            let mut turns = turns.lock();
            if turns.iter().any(&goes) {
                let (go, stay) = turns.drain(..).partition::<Vec<_>, _>(&goes);
                back.extend(go);
                turns.extend(stay);
            }
        }
        let count = back.len();
        for turn in back {
            self.give_back_permits(std::iter::once(&*turn.spec.queue));
            self.hub.budget.give_back(1);
            self.limited.ends_in(&turn.spec.queue);
            self.report(Outcome {
                id: turn.spec.id,
                run: turn.run,
                started_at: None,
                ending: Ending::HandBack,
                logs: Vec::new(),
            });
        }
        count
    }

    // ---- attempts --------------------------------------------------------------------------------------------

    /// Whether anybody is to be told of the start of an attempt.
    pub(crate) fn tells_starts(&self) -> bool {
        is_logged(EventKind::Started, Status::Running)
            || self.hub.events.wants(EventKind::Started)
            || self.waiters.any()
    }

    /// An attempt starts: tells whoever listens.
    pub(crate) fn announce_start(&self, turn: &Turn) {
        if self.tells_starts() {
            let snapshot = turn.snapshot(self);
            self.hub.announce(EventKind::Started, &snapshot);
            self.waiters.announce(&snapshot.job);
        }
    }

    /// Remembers an attempt that goes on after its first poll, so that it can be told to stop.
    pub(crate) fn register(&self, running: &Arc<Running>) {
        self.attempts.lock().insert(running.id, Arc::clone(running));
        if self.any_cancel_asked.load(Ordering::Acquire) && self.take_cancel(running.id, running.run) {
            running.tell(CancelReason::Cancelled, &self.hub.threads);
        }
        if self.draining.load(Ordering::Acquire) && self.suspended.load(Ordering::Acquire) {
            running.tell(CancelReason::Shutdown, &self.hub.threads);
        }
    }

    /// Whether this run was cancelled before anybody could tell it.
    pub(crate) fn was_cancelled(&self, id: JobId, run: u64) -> bool {
        self.any_cancel_asked.load(Ordering::Acquire) && self.take_cancel(id, run)
    }

    fn take_cancel(&self, id: JobId, run: u64) -> bool {
        let mut asked = self.cancel_asked.lock();
        let found = asked.remove(&(id, run));
        self.any_cancel_asked.store(!asked.is_empty(), Ordering::Release);
        found
    }

    /// Tells the attempt of that run to stop; if it has not got so far, it will be told then.
    pub(crate) fn cancel(&self, id: JobId, run: u64) {
        let attempt = self.attempts.lock().get(&id).filter(|attempt| attempt.run == run).cloned();
        if let Some(attempt) = attempt {
            attempt.tell(CancelReason::Cancelled, &self.hub.threads);
        } else {
            self.cancel_asked.lock().insert((id, run));
            self.any_cancel_asked.store(true, Ordering::Release);
        }
    }

    /// Forgets that a run was asked to stop: it has ended, and that is written.
    pub(crate) fn forget_cancel(&self, id: JobId, run: u64) {
        if self.any_cancel_asked.load(Ordering::Acquire) {
            self.take_cancel(id, run);
        }
    }

    /// How many runs were asked to stop that nobody could tell yet.
    #[cfg(test)]
    pub(crate) fn cancels_asked(&self) -> usize {
        self.cancel_asked.lock().len()
    }

    /// Shows that a run is past its timeout and has not ended.
    pub(crate) fn note_overrun(self: &Arc<Self>, id: JobId, run: u64) {
        let desk = Arc::clone(self);
        self.hub.threads.timers.spawn(async move {
            match desk.store.change(id, callboard_tasks::Change::Overrun { run }).await {
                Ok(changed) => {
                    let task = &changed.job.spec.task;
                    tracing::warn!(target: "callboard", backend = %desk.alias, %task, job = %id,
                        "an attempt is past its timeout and does not end");
                    desk.waiters.announce(&changed.job);
                }
                Err(problem) => tracing::warn!(target: "callboard", backend = %desk.alias, job = %id,
                    error = %super::pumps::chain(&problem), "an attempt is past its timeout; that could not be noted"),
            }
        });
    }

    /// Attempts that have run for longer than they should, the longest first.
    pub(crate) fn stuck(&self) -> Vec<Stuck> {
        let now = Instant::now();
        let attempts = self.attempts.lock();
        let stuck = attempts.values().filter_map(|attempt| {
            let running = now.saturating_duration_since(attempt.since);
            let task = || attempt.spec.task.to_string();
            (running >= self.options.stuck_after).then(|| Stuck { task: task(), job: attempt.id, running })
        });
        let mut stuck: Vec<_> = stuck.collect();
        stuck.sort_by_key(|stuck| std::cmp::Reverse(stuck.running));
        stuck
    }

    /// Reports each attempt once that has run for longer than it should.
    pub(crate) async fn report_stuck(&self) {
        let now = Instant::now();
        let attempts: Vec<_> = {
            let attempts = self.attempts.lock();
            let is_new = |attempt: &&Arc<Running>| {
                now.saturating_duration_since(attempt.since) >= self.options.stuck_after
                    && !attempt.reported.swap(true, Ordering::AcqRel)
            };
            attempts.values().filter(is_new).cloned().collect()
        };
        for attempt in attempts {
            let running = callboard_tasks::format_duration(now.saturating_duration_since(attempt.since));
            tracing::warn!(target: "callboard", backend = %self.alias, task = %attempt.spec.task, job = %attempt.id,
                %running, "an attempt runs for longer than it should");
            if self.hub.events.wants(EventKind::Stuck)
                && let Ok(mut found) = self.store.get(vec![attempt.id]).await
                && let Some(Lookup::Found(job)) = found.pop()
                && job.runs_as(attempt.run)
            {
                self.hub.announce(EventKind::Stuck, &self.snapshot(job));
            }
        }
    }

    /// Tells every attempt to stop.
    pub(crate) fn tell_all(&self, reason: CancelReason) {
        let attempts: Vec<_> = self.attempts.lock().values().cloned().collect();
        for attempt in attempts {
            attempt.tell(reason, &self.hub.threads);
        }
    }

    /// An attempt has ended: frees its permit and reports.
    pub(crate) fn ended(&self, outcome: Outcome, queue: &str, registered: bool) {
        if registered {
            let mut attempts = self.attempts.lock();
            // A later run of the same job may stand there: this one's lease was lost.
            if attempts.get(&outcome.id).is_some_and(|attempt| attempt.run == outcome.run) {
                attempts.remove(&outcome.id);
            }
        }
        let before = self.running.fetch_sub(1, Ordering::AcqRel);
        if before >= self.options.concurrency {
            // Somebody may wait for exactly this permit.
            self.wake_worker();
        }
        self.give_back_permits(std::iter::once(queue));
        if outcome.ending == Ending::HandBack {
            self.hub.budget.give_back(1);
        }
        self.report(outcome);
    }

    /// Puts an outcome where the backend actor takes it from.
    pub(crate) fn report(&self, outcome: Outcome) {
        if outcome.ending == Ending::HandBack {
            self.handed_back.fetch_add(1, Ordering::Relaxed);
        }
        self.outbox.lock().push(outcome);
        if !self.family.outcomes_go_on() {
            self.wake();
        }
    }

    // ---- progress --------------------------------------------------------------------------------------------

    /// Notes how far a run has come; written at most twice a second.
    pub(crate) fn note_progress(self: &Arc<Self>, id: JobId, run: u64, progress: Progress) {
        let first = {
            let mut noted = self.progress.lock();
            let first = noted.is_empty();
            noted.insert(id, (run, progress));
            first
        };
        if first {
            let desk = Arc::downgrade(self);
            let flush = move || {
                if let Some(desk) = desk.upgrade() {
                    desk.flush_progress();
                }
            };
            self.hub.threads.after(Duration::from_millis(500), flush).forget();
        }
    }

    fn flush_progress(self: &Arc<Self>) {
        let noted = std::mem::take(&mut *self.progress.lock());
        let desk = Arc::clone(self);
        self.hub.threads.timers.spawn(async move {
            for (id, (run, progress)) in noted {
                let change = callboard_tasks::Change::Progress { run, progress };
                if let Ok(changed) = desk.store.change(id, change).await {
                    desk.waiters.announce(&changed.job);
                }
            }
        });
    }

    /// Ends the process's hold on jobs whose lease is gone: their attempts are told and what waits is dropped.
    pub(crate) fn drop_claims(&self) {
        let dropped: Vec<_> = [&self.runs, &self.blocking_runs]
            .into_iter()
            .flat_map(|turns| std::mem::take(&mut *turns.lock()))
            .collect();
        self.give_back_permits(dropped.iter().map(|turn| &*turn.spec.queue));
        self.hub.budget.give_back(dropped.len());
        self.release(dropped.len());
        self.tell_all(CancelReason::LeaseLost);
    }

    /// Whether anybody wants to hear of a job that is now in this phase: only then it is read again.
    pub(crate) fn must_tell(&self, id: JobId, phase: Phase) -> bool {
        let (status, wants) = (phase.status(), self.hub.events.wants(EventKind::Finished));
        let heard = status.is_finished() && (wants || is_logged(EventKind::Finished, status));
        heard || self.waiters.wait_for(id)
    }

    /// Tells whoever wants to hear of jobs whose outcome was written.
    pub(crate) async fn tell_ends(&self, ids: Vec<JobId>) {
        if ids.is_empty() {
            return;
        }
        match self.store.get(ids.clone()).await {
            Ok(found) => {
                for (id, job) in ids.into_iter().zip(found) {
                    let Lookup::Found(job) = job else {
                        // It was not kept; who waits for it finds that out.
                        self.waiters.dismiss(id);
                        continue;
                    };
                    let snapshot = self.snapshot(job);
                    if snapshot.job.state.phase.is_finished() {
                        self.hub.announce(EventKind::Finished, &snapshot);
                    }
                    self.waiters.announce(&snapshot.job);
                }
            }
            // Who waits is told by the Keeper's next look; an event is lost, as it may be.
            Err(problem) => {
                let error = super::pumps::chain(&problem);
                tracing::warn!(target: "callboard", backend = %self.alias, error, "ends could not be told");
            }
        }
    }
}

/// The board that attempts of one backend see: enqueues anywhere, reports progress here.
#[derive(Debug)]
pub(crate) struct DeskBoard(pub(crate) Weak<Desk>);
