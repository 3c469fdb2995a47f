//! The handle of a board: what user code holds, clones and asks.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix::{Handler, Message, Recipient};
use callboard_tasks::{
    AnyCall, BackendInfo, Board, Call, Change, Clock, Control, Error, Filter, Idempotency, InvalidTask, Job, JobId,
    JobSpec, Page, Problem, Progress, Published, QueueLimits, Redaction, Registry, Snapshot, Stats, Task, TaskOutput,
    TaskResult, WaitError, WaitFor, Why, near_names, resolve, validate,
};
use futures::future::{BoxFuture, FutureExt};
use tracing::{info, warn};

use crate::counts::TaskCounts;
use crate::door::{Gate, Room};
use crate::dummy::Dummy;
use crate::ends::Ends;
use crate::events::EventMessage;
use crate::foreign::Foreign;
use crate::health::Health;
use crate::hub::Hub;
use crate::named::by_name;
use crate::open::OpenStore;
use crate::reception::{Reception, Receptions};
use crate::{Blocking, Builder};

/// A running board: enqueues calls, runs them on its own threads, and knows their results.
///
/// A clone is cheap and speaks of the same board. All futures are `Send` and need no particular runtime: it works
/// in `#[actix_web::main]`, in `#[tokio::main]` and, through [`blocking`](Self::blocking), in a plain thread.
/// When the last clone is dropped the board stops as if it had been killed; [`shutdown`](Self::shutdown) is the
/// orderly way.
#[derive(Clone)]
pub struct Callboard(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) hub: Arc<Hub>,
    /// `default` first, then by alias.
    pub(crate) gates: Vec<Arc<dyn Gate>>,
    pub(crate) dummies: BTreeMap<String, Dummy>,
    pub(crate) openers: BTreeMap<String, Arc<dyn OpenStore>>,
    pub(crate) receptions: Receptions,
    pub(crate) foreign: Foreign,
    pub(crate) grace: Duration,
    /// Itself, for work in the background.
    pub(crate) me: Weak<Self>,
}

/// What a shutdown left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Attempts that ended while it waited.
    pub finished: usize,
    /// Jobs that went back to their store, to run again elsewhere or later.
    pub handed_back: usize,
    /// Attempts that could not be stopped: sync functions that still run.
    pub abandoned: usize,
}

impl Callboard {
    /// A board to be configured.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Enqueues a call. `Ok` means that the backend has committed it; the result is the snapshot of that moment
    /// (READY), except where the backend has run it already (an immediate one).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidTask`], [`Error::UnknownBackend`], [`Error::Full`] after 5 s without room,
    /// [`Error::Draining`] during a shutdown, [`Error::Store`]. Nothing was enqueued then.
    pub async fn enqueue<T: Task>(&self, call: Call<T>) -> Result<TaskResult<T::Output>, Error> {
        self.place(call.erase(), Room::Wait).await
    }

    /// Enqueues a call of any task.
    ///
    /// # Errors
    ///
    /// As [`enqueue`](Self::enqueue).
    pub async fn enqueue_any(&self, call: AnyCall) -> Result<TaskResult, Error> {
        self.place(call, Room::Wait).await
    }

    /// Enqueues a call of any task, without waiting for room.
    ///
    /// # Errors
    ///
    /// As [`enqueue`](Self::enqueue), but [`Error::Full`] comes at once.
    pub async fn try_enqueue_any(&self, call: AnyCall) -> Result<TaskResult, Error> {
        self.place(call, Room::Now).await
    }

    /// Enqueues several calls of one backend: all or none of them, in one transaction. The results stand in
    /// the order of the calls.
    ///
    /// # Errors
    ///
    /// As [`enqueue`](Self::enqueue); the pointer of [`Error::InvalidTask`] starts with the number of the call.
    pub async fn enqueue_all(&self, calls: Vec<AnyCall>) -> Result<Vec<TaskResult>, Error> {
        self.place_all(calls, None, Room::Wait).await
    }

    /// Enqueues several calls of one backend as one request that may come twice: all or none of them, and once. Whoever
    /// sends the same request with the same key again gets the results of the first time, in their order, as they were
    /// then ([`TaskResult::is_replayed`]). No call may have a key of its own. No calls are no request, and are not
    /// remembered; neither is anything by an immediate or a dummy backend.
    ///
    /// # Errors
    ///
    /// As [`enqueue_all`](Self::enqueue_all); [`Error::IdempotencyMismatch`] if the key came with another request;
    /// [`Error::Unsupported`] from a custom backend; [`Error::Pruned`] or [`Error::NotFound`] if one of the jobs of
    /// then is not there any more.
    pub async fn enqueue_all_once(&self, request: Idempotency, calls: Vec<AnyCall>) -> Result<Vec<TaskResult>, Error> {
        self.place_all(calls, Some(request), Room::Wait).await
    }

    /// [`enqueue_all_once`](Self::enqueue_all_once), without waiting for room.
    ///
    /// # Errors
    ///
    /// As `enqueue_all_once`, but [`Error::Full`] comes at once.
    pub async fn try_enqueue_all_once(
        &self,
        request: Idempotency,
        calls: Vec<AnyCall>,
    ) -> Result<Vec<TaskResult>, Error> {
        self.place_all(calls, Some(request), Room::Now).await
    }

    /// Enqueues several calls of one backend, all or none of them, without waiting for room.
    ///
    /// # Errors
    ///
    /// As [`enqueue_all`](Self::enqueue_all), but [`Error::Full`] comes at once.
    pub async fn try_enqueue_all(&self, calls: Vec<AnyCall>) -> Result<Vec<TaskResult>, Error> {
        self.place_all(calls, None, Room::Now).await
    }

    async fn place_all(
        &self,
        mut calls: Vec<AnyCall>,
        request: Option<Idempotency>,
        room: Room,
    ) -> Result<Vec<TaskResult>, Error> {
        let Some(first) = calls.first() else { return Ok(Vec::new()) };
        self.refuse_while_draining()?;
        let gate = self.0.gate(first.backend())?;
        if let Some(problem) = request.as_ref().and_then(|request| request.check().err()) {
            return Err(InvalidTask::new(first.task(), "#/idempotency_key", problem).into());
        }
        let several = calls.len() > 1 || request.is_some();
        for (n, call) in calls.iter_mut().enumerate() {
            if call.options().idempotency.is_some() && several {
                let detail = "is set for one of several calls; a request has one key, so enqueue that call by itself, or all with \
                              `enqueue_all_once`";
                return Err(InvalidTask::new(call.task(), format!("#/tasks/{n}/idempotency_key"), detail).into());
            }
            let at = |problem: Problem| Problem::new(format!("#/tasks/{n}{}", &problem.pointer[1..]), problem.detail);
            if call.backend() != gate.info().alias {
                let detail = format!(
                    "is {:?}, but the first call goes to {:?}; one transaction has one backend",
                    call.backend(),
                    gate.info().alias
                );
                return Err(InvalidTask::new(call.task(), format!("#/tasks/{n}/backend"), detail).into());
            }
            self.0.check(call, gate.as_ref()).map_err(|invalid| InvalidTask {
                problems: invalid.problems.into_iter().map(at).collect(),
                ..invalid
            })?;
        }
        let snapshots = gate.enqueue(calls, request, room).answer().await?;
        for snapshot in &snapshots {
            self.0.hub.counts.enqueued(gate.alias(), &snapshot.job);
        }
        snapshots.into_iter().map(|snapshot| self.result_of(gate.as_ref(), snapshot)).collect()
    }

    /// Checks a call as [`enqueue`](Self::enqueue) does and makes its job, which is kept nowhere yet: for whoever
    /// writes it by a transaction of their own.
    ///
    /// # Errors
    ///
    /// As `enqueue`, but for those of the store.
    #[doc(hidden)]
    pub fn prepare(&self, mut call: AnyCall) -> Result<Prepared, Error> {
        self.refuse_while_draining()?;
        let gate = self.0.gate(call.backend())?;
        let now = self.clock().now();
        self.0.check(&mut call, gate.as_ref())?;
        let opener = self.0.openers.get(gate.alias().as_ref()).cloned();
        Ok(Prepared {
            board: self.clone(),
            alias: Arc::clone(gate.alias()),
            opener,
            spec: Arc::new(resolve(call, now)?),
        })
    }

    pub(crate) async fn place<T: TaskOutput>(&self, call: AnyCall, room: Room) -> Result<TaskResult<T>, Error> {
        self.refuse_while_draining()?;
        let (gate, snapshot) = self.0.place(call, room).await?;
        self.result_of(gate.as_ref(), snapshot)
    }

    fn refuse_while_draining(&self) -> Result<(), Error> {
        if self.is_draining() { Err(Error::Draining) } else { Ok(()) }
    }

    /// A result that can be refreshed and waited for where its backend supports that.
    fn result_of<T: TaskOutput>(&self, gate: &dyn Gate, snapshot: Snapshot) -> Result<TaskResult<T>, Error> {
        let board: Option<Arc<dyn Board>> =
            if gate.info().supports.get_result { Some(Arc::clone(&self.0) as _) } else { None };
        TaskResult::new(board, snapshot)
    }

    fn wrap(&self, snapshot: Snapshot) -> Result<TaskResult, Error> {
        TaskResult::new(Some(Arc::clone(&self.0) as _), snapshot)
    }

    /// The result of a job of the task `T`, whatever its options.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Pruned`], and [`Error::Mismatch`] if the job is of another task.
    pub async fn result<T: Task>(&self, id: JobId) -> Result<TaskResult<T::Output>, Error> {
        let snapshot = self.0.get(id, None).await?;
        let task = snapshot.job.spec.task.as_ref();
        if task != T::NAME && !T::definition().aliases.contains(&task) {
            return Err(Error::Mismatch { id, expected: T::NAME.into(), actual: task.into() });
        }
        TaskResult::new(Some(Arc::clone(&self.0) as _), snapshot)
    }

    /// The result of a job of any task; all backends are asked, `default` first.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Pruned`], [`Error::Unsupported`] if no backend keeps results.
    pub async fn get(&self, id: JobId) -> Result<TaskResult, Error> {
        self.wrap(self.0.get(id, None).await?)
    }

    /// Waits until a job has ended or changed.
    ///
    /// # Errors
    ///
    /// [`WaitError::Timeout`] past its time; as [`get`](Self::get) if there is no such job.
    pub async fn wait(&self, id: JobId, until: WaitFor, timeout: Duration) -> Result<TaskResult, WaitError> {
        Ok(self.wrap(self.0.wait(id, None, until, timeout).await?)?)
    }

    /// Lists the jobs of a backend, newest first, and says where the next page starts.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBackend`], [`Error::Unsupported`], [`Error::Store`].
    pub async fn list(
        &self,
        alias: &str,
        filter: Filter,
        page: Page,
    ) -> Result<(Vec<TaskResult>, Option<JobId>), Error> {
        let gate = self.0.gate(alias)?;
        let listing = gate.list(filter, page).await?;
        let results = listing.jobs.into_iter().map(|job| {
            self.wrap(Snapshot { backend: Arc::clone(gate.alias()), job, duplicate: false, replayed: false })
        });
        Ok((results.collect::<Result<_, _>>()?, listing.next))
    }

    /// Ends a waiting job (phase `cancelled`), or asks a running one to stop (phase `cancelling`).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidMove`] if it has ended.
    pub async fn cancel(&self, id: JobId) -> Result<TaskResult, Error> {
        self.change(id, Change::Cancel).await
    }

    /// Runs a finished job again; its attempts and errors are kept.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidMove`] while it waits or runs.
    pub async fn retry(&self, id: JobId) -> Result<TaskResult, Error> {
        self.change(id, Change::Retry).await
    }

    /// Changes a job.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidMove`] where its phase does not allow it; as [`get`](Self::get) if there is no such job.
    pub async fn change(&self, id: JobId, change: Change) -> Result<TaskResult, Error> {
        let snapshot = self.0.get(id, None).await?;
        let gate = self.0.gate(&snapshot.backend)?;
        self.wrap(gate.change(id, change).await?)
    }

    /// Starts no more jobs of a queue; those that run go on.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBackend`], [`Error::Unsupported`], [`Error::Store`].
    pub async fn pause(&self, alias: &str, queue: &str) -> Result<(), Error> {
        self.0.gate(alias)?.control(Control::Pause(queue.into())).await
    }

    /// Starts jobs of a queue again.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    pub async fn resume(&self, alias: &str, queue: &str) -> Result<(), Error> {
        self.0.gate(alias)?.control(Control::Resume(queue.into())).await
    }

    /// Sets the limits of a queue, over all processes, from now on; what runs goes on. Limits that are all `None` take
    /// them away. They hold until somebody sets others: a process whose settings have limits for the queue sets those
    /// when it starts.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidTask`] with the field, if a number makes no sense; else as [`pause`](Self::pause).
    pub async fn limit(&self, alias: &str, queue: &str, limits: QueueLimits) -> Result<(), Error> {
        let gate = self.0.gate(alias)?;
        let wrong = |field: &str, problem: String| InvalidTask::new(queue, format!("#/{field}"), problem);
        if let Err(problem) = callboard_tasks::check_name(queue) {
            return Err(wrong("queue", format!("{queue:?} {problem}")).into());
        }
        limits.check().map_err(|(field, problem)| wrong(field, problem))?;
        gate.control(Control::Limit { queue: queue.into(), limits }).await
    }

    /// Why a job is not running: everything that holds it back, or what it does instead.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get); [`Error::Unsupported`].
    pub async fn why(&self, id: JobId) -> Result<Why, Error> {
        let snapshot = self.0.get(id, None).await?;
        self.0.gate(&snapshot.backend)?.why(id).await
    }

    /// What a backend holds, in numbers.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    pub async fn stats(&self, alias: &str) -> Result<Stats, Error> {
        self.0.gate(alias)?.stats().await
    }

    /// What has happened in this process since the board started, by backend, queue and task.
    #[must_use]
    pub fn counts(&self) -> Vec<TaskCounts> {
        self.0.hub.counts.so_far()
    }

    /// The tasks that this process can run.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.hub.registry
    }

    /// Every task that this or any other process has ever published, by name.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn published(&self) -> Result<BTreeMap<String, Published>, Error> {
        let mut all = BTreeMap::new();
        for gate in &self.0.gates {
            match gate.stats().await {
                Ok(stats) => all.extend(stats.published),
                Err(Error::Unsupported { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        all.extend(self.registry().iter().map(|task| (task.name.to_owned(), Published::from(task))));
        Ok(all)
    }

    /// A call by name, as a front end gets it: `name` is the full name or the bare one while it is unambiguous,
    /// `args` JSON, an object by name or an array by position.
    ///
    /// Arguments are checked by their types where this process has the task's code, else by their names.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownTask`], [`Error::InvalidTask`] with a pointer to each wrong argument.
    pub async fn call_named(&self, name: &str, args: &str) -> Result<AnyCall, Error> {
        let unknown = match self.registry().call(name, args) {
            Err(unknown @ Error::UnknownTask { .. }) => unknown,
            answer => return answer,
        };
        let published = self.published().await?;
        let task = published.get(name).or_else(|| {
            let mut bare = published.values().filter(|task| task.name.rsplit('.').next() == Some(name));
            bare.next().filter(|_| bare.next().is_none())
        });
        match task {
            Some(task) => by_name(task, args),
            None => match unknown {
                Error::UnknownTask { name, near } if near.is_empty() => {
                    let near = near_names(&name, published.keys().map(String::as_str));
                    Err(Error::UnknownTask { name, near })
                }
                unknown => Err(unknown),
            },
        }
    }

    /// The backends: `default` first, then by alias.
    #[must_use]
    pub fn backends(&self) -> Vec<&BackendInfo> {
        self.0.gates.iter().map(|gate| gate.info()).collect()
    }

    /// A recipient for the messages of a backend, for actors of the embedding program. It checks calls and holds
    /// the permits of the backend, as this handle does.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBackend`].
    pub fn recipient<M>(&self, alias: &str) -> Result<Recipient<M>, Error>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        Reception: Handler<M>,
    {
        let gate = self.0.gate(alias)?;
        Ok(self.0.receptions.of(self, gate.alias()).recipient())
    }

    /// The jobs of a backend that end from now on, whichever process runs them, as a stream of results in the order in
    /// which their ends were written: successes, failures, cancellations, expiries and quarantines. (Those that one
    /// commit has ended may stand in any order.)
    ///
    /// Each end comes at most once; what does not come is told by [`Lagged`](crate::Lagged). One that was being written
    /// when the stream began may be left out. Jobs are read when the stream comes to them: one that somebody has run
    /// again meanwhile is as it is then. An end comes within some 20 ms if it was written in this process, within
    /// 100 ms from another one, and within a second or two if a notice of the database is lost. A reader may take its
    /// time: what it has not read stands in the store, up to 100,000 ends. While nobody follows, no order of ends is
    /// kept; while nothing happens, it is asked for once a second for all streams of the process.
    ///
    /// ```
    /// # use callboard_actors::Callboard;
    /// # use callboard_tasks::{task, tasks};
    /// #[task]
    /// async fn add(a: i64, b: i64) -> i64 { a + b }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let board = Callboard::builder().memory().tasks(tasks![add]).start().await?;
    /// let mut ends = board.ends("default").await?;
    /// board.enqueue(add::with(2, 3)).await?; // here or in any other process
    /// match ends.next().await.expect("the board stands") {
    ///     Ok(result) => println!("{} is {}", result.id(), result.status()),
    ///     Err(lagged) => println!("{lagged}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// An actor takes the stream with `ctx.add_stream(ends)` and hears of each end in its `StreamHandler`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBackend`], [`Error::Unsupported`] for a backend that keeps no jobs, [`Error::Store`].
    pub async fn ends(&self, alias: &str) -> Result<Ends, Error> {
        self.0.gate(alias)?.ends().await
    }

    /// Sends every event of its kind that happens in this process to `recipient`, until that is gone. Nothing that the
    /// receiver does harms a job; if it falls more than 10,000 events behind, it loses some. What jobs come to in other
    /// processes is told by [`ends`](Self::ends).
    pub fn subscribe<M: EventMessage>(&self, recipient: Recipient<M>) {
        let hub = &self.0.hub;
        hub.events.subscribe(recipient, &hub.threads.coordination);
    }

    /// What was enqueued at a dummy backend; `None` if the alias is not of one.
    #[must_use]
    pub fn dummy(&self, alias: &str) -> Option<Dummy> {
        self.0.dummies.get(alias).cloned()
    }

    /// The handle for plain threads.
    #[must_use]
    pub fn blocking(&self) -> Blocking {
        Blocking::new(self.clone())
    }

    /// Tells of tasks whose own queue or backend is not there: each of their calls will be refused unless it names
    /// another. No error, because calls may.
    pub(crate) fn warn_of_tasks_without_a_place(&self) {
        for task in self.registry().iter() {
            let options = &task.options;
            match self.0.gate(options.backend) {
                Err(_) => warn!(target: "callboard", task = task.name, backend = options.backend,
                    "the task's own backend is not configured"),
                Ok(gate) if !gate.info().queues.allow(options.queue) => warn!(target: "callboard", task = task.name,
                    backend = options.backend, queue = options.queue,
                    "the backend does not have the task's own queue; add it to the queues of the backend"),
                Ok(_) => {}
            }
        }
    }

    /// The clock of the board.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.hub.clock
    }

    /// Says that a shutdown is about to begin: from now on the board is not [ready](crate::Health::is_ready), so that
    /// whoever spreads work over several processes sends it elsewhere. Everything else goes on as before.
    pub fn announce_shutdown(&self) {
        self.0.hub.leaving.store(true, Ordering::Release);
    }

    /// Whether a shutdown has been [announced](Self::announce_shutdown) or has begun.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.0.hub.leaving.load(Ordering::Acquire) || self.is_draining()
    }

    /// Whether a shutdown has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.hub.draining.load(Ordering::Acquire)
    }

    /// Ends when a shutdown begins: at once if one has.
    pub async fn draining(&self) {
        let mut begins = std::pin::pin!(self.0.hub.drains.notified());
        // Registered before the look, so that a beginning in between is not missed.
        begins.as_mut().enable();
        if !self.is_draining() {
            begins.await;
        }
    }

    /// The state of the board's threads, stores and workers.
    pub async fn health(&self) -> Health {
        const PATIENCE: Duration = Duration::from_secs(1);
        let hub = &self.0.hub;
        let ping = |arbiter: &actix_rt::ArbiterHandle| {
            let (tell, told) = tokio::sync::oneshot::channel();
            let sent = arbiter.spawn_fn(move || {
                let _ = tell.send(());
            });
            async move { sent && told.await.is_ok() }
        };
        let coordination = hub.within(PATIENCE, ping(&hub.threads.coordination)).await.unwrap_or(false);
        let heart = hub.within(PATIENCE, ping(&hub.threads.heart)).await.unwrap_or(false);
        let mut backends = Vec::new();
        for gate in &self.0.gates {
            let health = hub.within(PATIENCE, gate.health()).await;
            backends.push(health.unwrap_or_else(|| crate::health::BackendHealth {
                store: Err("the store did not answer within a second".into()),
                ..crate::door::plain_health(gate.info(), "store")
            }));
        }
        let dropped_events = hub.events.dropped();
        let parts = hub.parts.health();
        Health { coordination, heart, draining: self.is_leaving(), dropped_events, backends, parts }
    }

    /// Waits until this process has nothing left to do that is due: all that it may claim has been claimed, has ended, and
    /// is written. What waits for a time of its own, is paused, or is work of other processes is not waited for; what
    /// tasks enqueue meanwhile is. After [`Builder::max_tasks`] it ends when so many attempts have.
    ///
    /// [`Builder::max_tasks`]: crate::Builder::max_tasks
    pub async fn until_idle(&self) {
        loop {
            for gate in &self.0.gates {
                gate.until_idle().await;
            }
            // A task of one backend may have enqueued to another one that was idle before.
            if self.0.gates.iter().all(|gate| gate.is_idle()) {
                return;
            }
        }
    }

    /// Whether as many attempts were started as [`Builder::max_tasks`](crate::Builder::max_tasks) allows.
    #[must_use]
    pub fn has_done_its_share(&self) -> bool {
        self.0.hub.budget.is_spent()
    }

    /// Stops in good order: takes nothing new, hands back what has not started, lets attempts end within the
    /// grace, then tells the rest to stop and leaves 5 s later.
    pub async fn shutdown(&self) -> ShutdownReport {
        let hub = &self.0.hub;
        hub.draining.store(true, Ordering::Release);
        hub.drains.notify_waiters();
        let drains = self.0.gates.iter().map(|gate| gate.drain(self.0.grace));
        let mut total = ShutdownReport::default();
        for report in futures::future::join_all(drains).await {
            total.finished += report.finished;
            total.handed_back += report.handed_back;
            total.abandoned += report.abandoned;
        }
        info!(target: "callboard", finished = total.finished, handed_back = total.handed_back,
            abandoned = total.abandoned, "the board has shut down");
        hub.threads.stop();
        total
    }
}

/// A job that is not kept yet; see [`Callboard::prepare`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Prepared {
    board: Callboard,
    alias: Arc<str>,
    opener: Option<Arc<dyn OpenStore>>,
    spec: Arc<JobSpec>,
}

impl Prepared {
    /// The job.
    #[must_use]
    pub const fn spec(&self) -> &Arc<JobSpec> {
        &self.spec
    }

    /// What the store of its backend was opened by, if that is of this type.
    #[must_use]
    pub fn opener<T: OpenStore>(&self) -> Option<&T> {
        (self.opener.as_deref()? as &dyn Any).downcast_ref()
    }

    /// It was written: the result of its enqueue. Its backend looks for it a little later, when the transaction may
    /// have been committed.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBackend`], which cannot come any more.
    pub fn written<T: TaskOutput>(self) -> Result<TaskResult<T>, Error> {
        let gate = self.board.0.gate(&self.alias)?;
        gate.expect_work();
        let snapshot = Snapshot { backend: self.alias, job: Job::new(self.spec), duplicate: false, replayed: false };
        self.board.result_of(gate.as_ref(), snapshot)
    }

    /// It was not written, because this job was found that stands for it: the result of that one.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownBackend`], which cannot come any more.
    pub fn found<T: TaskOutput>(self, job: Job) -> Result<TaskResult<T>, Error> {
        let gate = self.board.0.gate(&self.alias)?;
        // It may have been given another time.
        gate.expect_work();
        let snapshot = Snapshot { backend: self.alias, job, duplicate: true, replayed: false };
        self.board.result_of(gate.as_ref(), snapshot)
    }
}

impl Inner {
    /// The backend of that alias.
    pub(crate) fn gate(&self, alias: &str) -> Result<&Arc<dyn Gate>, Error> {
        self.gates.iter().find(|gate| gate.info().alias == alias).ok_or_else(|| Error::UnknownBackend {
            alias: alias.into(),
            known: self.gates.iter().map(|gate| gate.info().alias.clone()).collect(),
        })
    }

    /// Lets the program look at a call, and checks it against the rules of its backend.
    pub(crate) fn check(&self, call: &mut AnyCall, gate: &dyn Gate) -> Result<(), InvalidTask> {
        self.hub.prepares.look_at(call)?;
        validate(call, gate.info(), self.hub.clock.now())
    }

    /// Checks and enqueues one call.
    async fn place(&self, mut call: AnyCall, room: Room) -> Result<(&Arc<dyn Gate>, Snapshot), Error> {
        let gate = self.gate(call.backend())?;
        self.check(&mut call, gate.as_ref())?;
        let mut snapshots = gate.enqueue(vec![call], None, room).answer().await?;
        let alias = || gate.info().alias.clone();
        let snapshot = snapshots.pop().ok_or_else(|| Error::NoAnswer { alias: alias() })?;
        self.hub.counts.enqueued(gate.alias(), &snapshot.job);
        Ok((gate, snapshot))
    }
}

/// What tasks and results ask. Tasks may still enqueue while the board drains, so that they can end well.
impl Board for Inner {
    fn enqueue(&self, call: AnyCall) -> BoxFuture<'_, Result<Snapshot, Error>> {
        async move { self.place(call, Room::Wait).await.map(|(_, snapshot)| snapshot) }.boxed()
    }

    fn get(&self, id: JobId, backend: Option<Arc<str>>) -> BoxFuture<'_, Result<Snapshot, Error>> {
        async move {
            if let Some(alias) = backend {
                return self.gate(&alias)?.get(id).await;
            }
            let (mut pruned, mut asked, mut refused) = (false, false, None);
            for gate in &self.gates {
                match gate.get(id).await {
                    Err(Error::NotFound(_)) => asked = true,
                    Err(Error::Pruned(_)) => pruned = true,
                    Err(unsupported @ Error::Unsupported { .. }) => refused = refused.or(Some(unsupported)),
                    answer => return answer,
                }
            }
            match refused {
                _ if pruned => Err(Error::Pruned(id)),
                Some(unsupported) if !asked => Err(unsupported),
                _ => Err(Error::NotFound(id)),
            }
        }
        .boxed()
    }

    fn wait(
        &self,
        id: JobId,
        backend: Option<Arc<str>>,
        until: WaitFor,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Snapshot, WaitError>> {
        async move {
            let alias = match backend {
                Some(alias) => alias,
                None => {
                    let snapshot = self.get(id, None).await?;
                    if until.is_met(&snapshot.job) {
                        return Ok(snapshot);
                    }
                    snapshot.backend
                }
            };
            self.gate(&alias)?.wait(id, until, timeout).await
        }
        .boxed()
    }

    fn report(&self, _: JobId, _: u64, _: Progress) {
        // Attempts report to the board of their own backend (`queue::DeskBoard`); here nobody runs anything.
    }

    fn redaction(&self, task: &str) -> Redaction {
        self.me.upgrade().map_or(Redaction::Everything, |inner| inner.redaction_of(task))
    }

    fn provide(&self, key: TypeId) -> Option<Arc<dyn Any + Send + Sync>> {
        let board = self.hub.handle()?;
        (key == TypeId::of::<Callboard>()).then(|| Arc::new(board) as _)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.hub.threads.stop();
    }
}

impl fmt::Debug for Callboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callboard").field("backends", &self.backends()).finish_non_exhaustive()
    }
}
