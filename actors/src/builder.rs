//! Configures and starts a board.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{
    BackendInfo, BoxError, Clock, DataKey, DataMap, Error, InvalidSchedule, Json, MemoryOptions, MemoryStore, Problem,
    QueueLimits, QueueNames, Registry, RegistryError, Schedule, Store, StoreError, Supports, Task, TaskDefinition,
    check_name,
};
use tracing::{info, warn};

use crate::Callboard;
use crate::budget::Budget;
use crate::custom::{CustomGate, Door};
use crate::door::Gate;
use crate::dummy::DummyGate;
use crate::handle::Inner;
use crate::health::PartHealth;
use crate::hub::Hub;
use crate::immediate::ImmediateGate;
use crate::open::{OpenFailure, OpenStore, Unopened};
use crate::prepare::{Parts, Prepares};
use crate::queue::QueueGate;
use crate::threads::Threads;
use crate::work::Work;

/// How long an attempt may run before it is reported.
const STUCK_AFTER: Duration = Duration::from_secs(600);

/// How many calls may wait in front of a backend.
const INBOX: usize = 10_000;

/// A board to be configured: say where calls go, what tasks are given, and [`start`](Self::start) it.
pub struct Builder {
    backends: BTreeMap<String, Backend>,
    tasks: Option<Vec<&'static TaskDefinition>>,
    more_tasks: Vec<&'static TaskDefinition>,
    prepares: Prepares,
    parts: Parts,
    refused: Option<(&'static str, BoxError)>,
    required: Vec<String>,
    schedules: Vec<Schedule>,
    data: DataMap,
    clock: Clock,
    grace: Duration,
    patient: bool,
    budget: Budget,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            backends: BTreeMap::new(),
            tasks: None,
            more_tasks: Vec::new(),
            prepares: Prepares::default(),
            parts: Parts::default(),
            refused: None,
            required: Vec::new(),
            schedules: Vec::new(),
            data: DataMap::default(),
            clock: Clock::system(),
            grace: Duration::from_secs(25),
            patient: false,
            budget: Budget::default(),
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("backends", &self.backends).finish_non_exhaustive()
    }
}

/// Something that configures a board, such as a settings file.
pub trait Configure {
    /// Adds what it says to `builder`.
    fn configure(self, builder: Builder) -> Builder;
}

impl Builder {
    /// The backend `default` keeps its jobs in memory.
    #[must_use]
    pub fn memory(self) -> Self {
        self.backend("default", Backend::memory())
    }

    /// Adds a backend; it replaces an earlier one of that alias. There must be one named `default`.
    #[must_use]
    pub fn backend(mut self, alias: impl Into<String>, backend: Backend) -> Self {
        self.backends.insert(alias.into(), backend);
        self
    }

    /// Lets calls of the backend `alias` also name this queue.
    #[must_use]
    pub fn queue(mut self, alias: &str, queue: impl Into<String>) -> Self {
        if let Some(QueueNames::Only(names)) = self.backends.get_mut(alias).map(|backend| &mut backend.queues) {
            names.insert(queue.into());
        }
        self
    }

    /// Which queues this process works, of every backend: each one's own [`Work`] is given to `change`.
    #[must_use]
    pub fn work(mut self, change: impl Fn(Work) -> Work) -> Self {
        for backend in self.backends.values_mut() {
            backend.options.work = change(std::mem::take(&mut backend.options.work));
        }
        self
    }

    /// Of every backend only these queues, each with how many attempts run at once if that is not what the backend says:
    /// what `callboard worker --queues` does.
    ///
    /// # Errors
    ///
    /// A queue that no backend has.
    #[doc(hidden)]
    pub fn works_only(mut self, queues: &[(String, Option<usize>)]) -> Result<Self, String> {
        self.must_know(queues.iter().map(|(queue, _)| queue.as_str()))?;
        for Backend { queues: known, options, .. } in self.backends.values_mut() {
            let ours = || queues.iter().filter(|(queue, _)| known.allow(queue));
            let work = std::mem::take(&mut options.work).only(ours().map(|(queue, _)| queue));
            options.work = ours().fold(work, |work, (queue, most)| match most {
                Some(most) => work.at_most(queue, *most),
                None => work,
            });
        }
        Ok(self)
    }

    /// Of every backend nothing of these queues: what `callboard worker --exclude` does.
    ///
    /// # Errors
    ///
    /// A queue that no backend has.
    #[doc(hidden)]
    pub fn works_all_but(self, queues: &[String]) -> Result<Self, String> {
        self.must_know(queues.iter().map(String::as_str))?;
        Ok(self.work(|work| work.except(queues)))
    }

    fn must_know<'a>(&self, mut queues: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let known = |queue: &str| self.backends.values().any(|backend| backend.queues.allow(queue));
        let Some(unknown) = queues.find(|queue| !known(queue)) else { return Ok(()) };
        let names = self.backends.values().filter_map(|backend| match &backend.queues {
            QueueNames::Only(names) => Some(names),
            QueueNames::Any => None,
        });
        let names: std::collections::BTreeSet<_> = names.flatten().map(String::as_str).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        Err(format!("no backend has a queue {unknown:?}; there are {names}"))
    }

    /// Whether any backend has a store that other processes could share.
    #[doc(hidden)]
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.backends.values().any(|backend| matches!(backend.kind, Kind::Store(_) | Kind::Opened(_)))
    }

    /// Enqueues only: runs nothing, whatever the backends say. For a web process beside worker processes.
    #[must_use]
    pub fn enqueue_only(self) -> Self {
        self.work(|_| Work::none())
    }

    /// Starts so many attempts and then nothing more; [`Callboard::until_idle`] ends when they have.
    #[must_use]
    pub fn max_tasks(mut self, attempts: usize) -> Self {
        self.budget = Budget::of(attempts);
        self
    }

    /// Does what these settings say.
    #[must_use]
    pub fn settings(self, settings: impl Configure) -> Self {
        settings.configure(self)
    }

    /// Gives tasks a value: those with a parameter `Data<T>` receive it.
    #[must_use]
    pub fn data<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.data_arc(Arc::new(value))
    }

    /// Gives tasks a shared value, for instance what actix-web's `web::Data::into_inner` returns.
    #[must_use]
    pub fn data_arc<T: Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.data.insert(value);
        self
    }

    /// Registers these tasks; the first call of this replaces what the linker found, later ones add.
    #[must_use]
    pub fn tasks(mut self, tasks: impl IntoIterator<Item = &'static TaskDefinition>) -> Self {
        self.tasks.get_or_insert_default().extend(tasks);
        self
    }

    /// Registers these tasks beside the others, whether those are the linker's or given by [`tasks`](Self::tasks).
    #[must_use]
    pub fn more_tasks(mut self, tasks: impl IntoIterator<Item = &'static TaskDefinition>) -> Self {
        self.more_tasks.extend(tasks);
        self
    }

    /// Looks at the arguments of each call of the task `T` before it is kept, wherever it comes from: refuses it, with a
    /// pointer to each wrong argument, or changes the arguments, which must stay those of the task. Replaces what was
    /// said for this task before.
    ///
    /// A call that is enqueued past this board, by another process or a statement of SQL, is not looked at.
    #[must_use]
    pub fn prepare<T: Task>(
        mut self,
        prepare: impl Fn(&Json) -> Result<Option<Json>, Vec<Problem>> + Send + Sync + 'static,
    ) -> Self {
        self.prepares.insert(T::NAME, prepare);
        self
    }

    /// Shows the state of parts of the program in the health of the board; `state` is asked each time and must not wait.
    /// Replaces what was said under this name before.
    #[must_use]
    pub fn part(mut self, name: &'static str, state: impl Fn() -> Vec<PartHealth> + Send + Sync + 'static) -> Self {
        self.parts.insert(name, state);
        self
    }

    /// Refuses to start, because this part of the program cannot be used. For settings, which find out while they
    /// configure.
    #[must_use]
    pub fn refuse(mut self, part: &'static str, problem: impl Into<BoxError>) -> Self {
        self.refused.get_or_insert((part, problem.into()));
        self
    }

    /// The value of that type that tasks will be given.
    #[must_use]
    pub fn given<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.data.get()
    }

    /// Refuses to start unless tasks of these full names are registered.
    ///
    /// The linker leaves out a crate that nothing in the program names, and with it all its tasks, without a
    /// warning. This is the net under that trap; the cure is `use my_tasks as _;` in the program.
    #[must_use]
    pub fn required_tasks<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.required.extend(names.into_iter().map(Into::into));
        self
    }

    /// Declares a schedule: it fires while this or another process that declares it lives, once for all of them.
    ///
    /// ```
    /// # use callboard_actors::Callboard;
    /// # use callboard_tasks::{Schedule, task};
    /// #[task]
    /// async fn send_digest(list: String) {}
    ///
    /// # fn main() -> Result<(), callboard_tasks::InvalidSchedule> {
    /// let daily = Schedule::cron("0 9 * * *", send_digest::with("news"))?.name("digest").timezone("Europe/Berlin")?;
    /// let builder = Callboard::builder().memory().schedule(daily);
    /// # let _ = builder;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedules.push(schedule);
        self
    }

    /// Takes the time from this clock; stores given ready-made have their own.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How long a shutdown lets attempts run; 25 s unless said.
    #[must_use]
    pub const fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// The stores of this configuration that a board would open at its start, by alias.
    #[must_use]
    pub fn into_stores(self) -> BTreeMap<String, Unopened> {
        let unopened = |(alias, backend): (String, Backend)| {
            let Backend { kind, keep_successful, keep_failed, .. } = backend;
            let Kind::Opened(opener) = kind else { return None };
            Some((alias, Unopened { opener, keep_successful, keep_failed }))
        };
        self.backends.into_iter().filter_map(unopened).collect()
    }

    /// Waits at the start for stores that cannot be reached yet, instead of failing: tries again and again, with
    /// growing pauses and a line in the log each time. For servers, which may come up before their database.
    #[must_use]
    pub const fn patient(mut self) -> Self {
        self.patient = true;
        self
    }

    /// Starts the board with its threads and actors.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the configuration is wrong, a task lacks its data, or a store does not answer.
    pub async fn start(mut self) -> Result<Callboard, StartError> {
        if let Some((part, source)) = self.refused.take() {
            return Err(StartError::Part { part, source });
        }
        self.check()?;
        let registry = match self.tasks {
            Some(tasks) => Registry::of(tasks)?,
            None => Registry::linked()?,
        };
        let registry = Registry::of(registry.iter().chain(self.more_tasks))?;
        registry.check_required(&self.required)?;
        let own_handle = DataKey::of::<Callboard>();
        registry.check_data(|key| key == own_handle || self.data.contains(key))?;
        let registry = registry.with_own([crate::bulk::definition()])?;
        crate::panics::install_hook();
        let threads = Threads::start().map_err(StartError::Threads)?;
        info!(target: "callboard", tasks = registry.len(), "tasks registered");
        let hub = Hub::new(threads, self.clock, registry, self.data, self.budget, self.prepares, self.parts);
        let hub = Arc::new(hub);
        let (mut gates, mut dummies) = (Vec::<Arc<dyn Gate>>::new(), BTreeMap::new());
        let (mut queues, mut openers) = (Vec::new(), BTreeMap::new());
        for (alias, backend) in self.backends {
            let info =
                BackendInfo { supports: backend.supports(), queues: backend.queues.clone(), alias: alias.clone() };
            let gate: Arc<dyn Gate> = match backend.kind {
                Kind::Immediate => Arc::new(ImmediateGate::new(info, Arc::clone(&hub))),
                Kind::Dummy => {
                    let gate = DummyGate::new(info, hub.clock.clone(), Arc::clone(&hub));
                    dummies.insert(alias, gate.dummy.clone());
                    Arc::new(gate)
                }
                Kind::Custom(door) => Arc::new(CustomGate::new(info, door, backend.options.inbox, Arc::clone(&hub))),
                kind => {
                    if let Kind::Opened(opener) = &kind {
                        openers.insert(alias.clone(), Arc::clone(opener));
                    }
                    let keep = (backend.keep_successful, backend.keep_failed);
                    let (kind, store) = store_of(kind, keep, self.patient, &alias, &hub).await?;
                    let gate = Arc::new(QueueGate::new(info, kind, store, backend.options, Arc::clone(&hub)));
                    queues.push(Arc::clone(&gate));
                    gate
                }
            };
            gates.push(gate);
        }
        gates.sort_by_key(|gate| (gate.info().alias != "default", gate.info().alias.clone()));
        let receptions = Default::default();
        let (grace, shared) = (self.grace, Arc::clone(&hub));
        let board = Callboard(Arc::new_cyclic(|me| Inner {
            hub: shared,
            gates,
            dummies,
            openers,
            receptions,
            foreign: Default::default(),
            grace,
            me: me.clone(),
        }));
        board.warn_of_tasks_without_a_place();
        hub.introduce(&board);
        let mut declared = board.define_all(self.schedules).await.map_err(|refused| match refused {
            Ok(refused) => StartError::Schedules(refused),
            Err(Error::Store(failure)) => StartError::Store(failure),
            Err(error) => StartError::Store(StoreError::Unavailable(error.into())),
        })?;
        for queue in queues {
            let own = declared.extract_if(.., |(alias, _)| *alias == queue.info().alias);
            queue.declare(own.map(|(_, definition)| definition).collect());
            queue.start().await?;
        }
        board.0.look_at_published();
        Ok(board)
    }

    fn check(&self) -> Result<(), StartError> {
        let wrong = |alias: &str, problem: String| Err(StartError::Backend { alias: alias.into(), problem });
        if !self.backends.contains_key("default") {
            return wrong("default", "is missing; every board has a backend of this alias, so add `.memory()`".into());
        }
        for (alias, backend) in &self.backends {
            if let Err(problem) = check_name(alias) {
                return wrong(alias, format!("has an alias that {problem}"));
            }
            if let QueueNames::Only(names) = &backend.queues {
                for name in names {
                    if let Err(problem) = check_name(name) {
                        return wrong(alias, format!("has a queue {name:?} that {problem}"));
                    }
                }
            }
            let options = &backend.options;
            let zero = [("workers", options.workers), ("concurrency", options.concurrency), ("inbox", options.inbox)];
            if let Some((name, _)) = zero.into_iter().find(|(_, value)| *value == 0) {
                return wrong(alias, format!("has {name} = 0; give at least 1"));
            }
            if let QueueNames::Only(names) = &backend.queues {
                let unknown = options.work.named().find(|(queue, most)| *most > 0 && !names.contains(*queue));
                if let Some((queue, _)) = unknown {
                    let known = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                    let problem = format!("works the queue {queue:?}, which it does not have; it has {known}");
                    return wrong(alias, problem);
                }
            }
            for (queue, limits) in &options.limits {
                if !backend.queues.allow(queue) {
                    return wrong(alias, format!("has limits of the queue {queue:?}, which it does not have"));
                }
                if let Err((field, problem)) = limits.check() {
                    return wrong(alias, format!("has limits of the queue {queue:?} whose {field} {problem}"));
                }
            }
            if options.lease < Duration::from_millis(300) {
                return wrong(alias, format!("has a lease of {:?}; give at least 300ms", options.lease));
            }
        }
        Ok(())
    }
}

/// The pauses between tries to open a store that cannot be reached.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// The store of a queue backend, with what kind it is.
async fn store_of(
    kind: Kind,
    (keep_successful, keep_failed): (Duration, Duration),
    patient: bool,
    alias: &str,
    hub: &Hub,
) -> Result<(&'static str, Arc<dyn Store>), StartError> {
    let unopened = match kind {
        Kind::Memory { keep_max } => {
            let options = MemoryOptions { keep_max, keep_successful, keep_failed };
            return Ok(("memory", Arc::new(MemoryStore::new(hub.clock.clone(), options))));
        }
        Kind::Store(store) => return Ok(("store", store)),
        Kind::Opened(opener) => Unopened { opener, keep_successful, keep_failed },
        Kind::Immediate | Kind::Dummy | Kind::Custom(_) => unreachable!("these have no store"),
    };
    let mut pause = FIRST_PAUSE;
    loop {
        match unopened.open(hub.clock.clone()).await {
            Ok(store) => {
                let kind = unopened.opener().kind();
                info!(target: "callboard", backend = alias, kind, "store opened");
                return Ok((kind, store));
            }
            Err(OpenFailure { problem, in_passing: true }) if patient => {
                let error = crate::queue::chain(problem.as_ref());
                warn!(target: "callboard", backend = alias, error, ?pause, "the store cannot be opened yet; trying again");
                hub.within(pause, std::future::pending::<()>()).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
            Err(OpenFailure { problem, .. }) => {
                return Err(StartError::Open { alias: alias.to_owned(), source: problem });
            }
        }
    }
}

/// The configuration of one backend.
#[derive(Debug)]
pub struct Backend {
    kind: Kind,
    queues: QueueNames,
    options: QueueOptions,
    keep_successful: Duration,
    keep_failed: Duration,
}

enum Kind {
    Immediate,
    Dummy,
    Memory { keep_max: usize },
    Store(Arc<dyn Store>),
    Opened(Arc<dyn OpenStore>),
    Custom(Door),
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Immediate => "immediate",
            Self::Dummy => "dummy",
            Self::Memory { .. } => "memory",
            Self::Store(_) => "store",
            Self::Opened(opener) => opener.kind(),
            Self::Custom(_) => "custom",
        })
    }
}

/// How a queue backend works.
#[derive(Debug, Clone)]
pub(crate) struct QueueOptions {
    pub(crate) workers: usize,
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
    pub(crate) inbox: usize,
    pub(crate) work: Work,
    /// What this process sets when it starts.
    pub(crate) limits: BTreeMap<String, QueueLimits>,
    pub(crate) stuck_after: Duration,
}

impl Default for QueueOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: cores,
            concurrency: 100,
            lease: Duration::from_secs(3),
            inbox: INBOX,
            work: Work::all(),
            limits: BTreeMap::new(),
            stuck_after: STUCK_AFTER,
        }
    }
}

impl Backend {
    fn of(kind: Kind) -> Self {
        let MemoryOptions { keep_successful, keep_failed, .. } = MemoryOptions::default();
        Self { kind, queues: QueueNames::standard(), options: QueueOptions::default(), keep_successful, keep_failed }
    }

    /// Runs each call while its enqueuer waits: for tests and scripts.
    #[must_use]
    pub fn immediate() -> Self {
        Self::of(Kind::Immediate)
    }

    /// Records calls and never runs them: for tests.
    #[must_use]
    pub fn dummy() -> Self {
        Self::of(Kind::Dummy)
    }

    /// Keeps jobs in this process's memory: for work that may die with the process.
    #[must_use]
    pub fn memory() -> Self {
        Self::of(Kind::Memory { keep_max: MemoryOptions::default().keep_max })
    }

    /// Keeps jobs in a store of your own.
    #[must_use]
    pub fn store(store: Arc<dyn Store>) -> Self {
        Self::of(Kind::Store(store))
    }

    /// Keeps jobs in a store that is opened when the board starts, with the board's clock.
    #[must_use]
    pub fn open(opener: impl OpenStore) -> Self {
        Self::of(Kind::Opened(Arc::new(opener)))
    }

    /// Hands calls to an actor of your own.
    #[must_use]
    pub fn custom(door: Door) -> Self {
        Self::of(Kind::Custom(door))
    }

    /// The queues that a call may name; an empty list allows any name. Unless said: `default` alone.
    #[must_use]
    pub fn queues<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.queues = QueueNames::from_list(names);
        self
    }

    /// How many worker actors there are, one thread each; unless said, one for each core.
    #[must_use]
    pub const fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers;
        self
    }

    /// How many attempts run at once in this process; 100 unless said.
    #[must_use]
    pub const fn concurrency(mut self, attempts: usize) -> Self {
        self.options.concurrency = attempts;
        self
    }

    /// How long this process may be silent before others take its jobs; 3 s unless said, at least 300 ms.
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.options.lease = lease;
        self
    }

    /// Which queues this process works, and how many attempts of each run at once in it; unless said, all of them,
    /// bounded by [`concurrency`](Self::concurrency) alone. `[("mail", 4), ("default", 50)]` is a [`Work`].
    ///
    /// A queue that is not worked here can be enqueued to all the same: another process runs its jobs.
    #[must_use]
    pub fn work(mut self, work: impl Into<Work>) -> Self {
        self.options.work = work.into();
        self
    }

    /// Works no queue: other processes run what is enqueued here. It still beats, as every process does: so it hears of
    /// pauses and ends, misses processes that die, and removes old history.
    #[must_use]
    pub fn enqueue_only(self) -> Self {
        self.work(Work::none())
    }

    /// The limits of a queue over all processes: how much of it runs at once, how fast it starts, how much may wait.
    /// This process sets them when it starts, in place of any that were there; see also [`Callboard::limit`].
    #[must_use]
    pub fn limits(mut self, queue: impl Into<String>, limits: QueueLimits) -> Self {
        self.options.limits.insert(queue.into(), limits);
        self
    }

    /// How long an attempt may run before it is reported, once: by a line in the log, by
    /// [`TaskStuck`](crate::messages::TaskStuck) and, as long as it runs, by a warning in the board's
    /// [`health`](crate::Callboard::health); 10 minutes unless said. It goes on; only a timeout ends it.
    #[must_use]
    pub const fn stuck_after(mut self, limit: Duration) -> Self {
        self.options.stuck_after = limit;
        self
    }

    /// How many calls may wait in front of the backend before callers have to; 10,000 unless said.
    #[must_use]
    pub const fn inbox(mut self, calls: usize) -> Self {
        self.options.inbox = calls;
        self
    }

    /// How many finished jobs a memory backend keeps, the newest; 100,000 unless said.
    #[must_use]
    pub fn keep_max(mut self, jobs: usize) -> Self {
        if let Kind::Memory { keep_max } = &mut self.kind {
            *keep_max = jobs;
        }
        self
    }

    /// How long a backend that opens its own store keeps finished jobs; 7 days and 30 days unless said.
    #[must_use]
    pub const fn keep(mut self, successful: Duration, failed: Duration) -> Self {
        self.keep_successful = successful;
        self.keep_failed = failed;
        self
    }

    const fn supports(&self) -> Supports {
        match &self.kind {
            Kind::Immediate => ImmediateGate::SUPPORTS,
            Kind::Dummy => DummyGate::SUPPORTS,
            Kind::Memory { .. } | Kind::Store(_) | Kind::Opened(_) => Supports::ALL,
            Kind::Custom(door) => door.abilities(),
        }
    }
}

/// Why a board did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The tasks are not in order.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A backend is configured wrongly.
    #[error("the backend {alias:?} {problem}")]
    Backend {
        /// Its alias.
        alias: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Schedules are not in order: all of them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Schedules(Vec<InvalidSchedule>),
    /// A store could not be opened.
    #[error("the store of the backend {alias:?} cannot be opened")]
    Open {
        /// The alias of the backend.
        alias: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// A part of the program, such as its mail, cannot be used.
    #[error("the {part} of the program cannot be used")]
    Part {
        /// Which.
        part: &'static str,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// A store did not take the board.
    #[error("the store does not answer")]
    Store(#[from] StoreError),
    /// The system gave no threads.
    #[error("the board's threads did not start")]
    Threads(#[source] io::Error),
}
